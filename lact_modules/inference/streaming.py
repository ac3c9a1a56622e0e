"""Recognize speech while it is being said."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lact_modules.decoding.greedy_stream import GreedyStream, HeardSoFar
from lact_modules.decoding.hypothesis import Word
from lact_modules.encoders.streaming import EncoderState
from lact_modules.errors import InputError
from lact_modules.frontends.streaming import FrontendState
from lact_modules.inference.chunks import LEFT_SECONDS, chunk_encoder
from lact_modules.inference.loading import load_model
from lact_modules.inference.stream_state import pack, unpack
from lact_modules.inference.streaming_model import ModelState, StreamingModel
from lact_modules.inference.trained_model import TrainedModel

_PARTS = {"frontend": FrontendState, "encoder": EncoderState, "heard": HeardSoFar}
"""What a stream remembers."""


class StreamingRecognizer:
    """Hear samples as they come and tell the text so far.

    Between calls it remembers a state of constant size, and the words. What it says
    does not depend on how the samples are cut into pieces.

    Arguments
    ---------
    trained : TrainedModel
        Trained in chunks, with running normalization.
    chunk_seconds : float
        How much is recognized together, which is the latency; rounded to frames.
    left_seconds : float
        How much attention remembers.
    device : str | torch.device
        Where the model runs.

    Raises
    ------
    InputError
        If the model needs the whole utterance.

    Example
    -------
    >>> from functools import partial
    >>> from lact_modules.data.vocabulary import Vocabulary
    >>> from lact_modules.encoders import CTCModel, Encoder
    >>> from lact_modules.frontends import MelFrontend
    >>> from lact_modules.layers import FeedForward, LaCTMixer
    >>> mixer, ffn = partial(LaCTMixer, 8, 2, 2), partial(FeedForward, 8, 16)
    >>> encoder = Encoder(8, 1, mixer, ffn)
    >>> frontend = MelFrontend(8, normalization="running")
    >>> vocabulary = Vocabulary.from_texts(["HI"])
    >>> model = CTCModel(frontend, encoder, len(vocabulary)).eval()
    >>> recognizer = StreamingRecognizer(TrainedModel(model, vocabulary, None))
    >>> for piece in torch.randn(16000).split(1000):
    ...     so_far = recognizer.accept(piece)
    >>> recognizer.finish().startswith(so_far)
    True
    """

    def __init__(
        self,
        trained: TrainedModel,
        chunk_seconds: float = 0.64,
        left_seconds: float = LEFT_SECONDS,
        device: str | torch.device = "cpu",
    ):
        self.device = torch.device(device)
        self.model = trained.model.to(self.device)
        self.encoder = chunk_encoder(self.model, chunk_seconds, left_seconds)
        self.streaming = StreamingModel(self.model, self.encoder)
        self.decoder = GreedyStream(trained.vocabulary, self.model.frame_rate)
        self.reset()

    @classmethod
    def from_export(cls, folder: str | Path, **options: Any) -> "StreamingRecognizer":
        """Load an export, a training run, or a model of the hub.

        Arguments
        ---------
        folder : str | Path
            See :func:`~lact_modules.inference.loading.load_model`.
        **options : Any
            As for the class.

        Returns
        -------
        StreamingRecognizer
            Before the first sample.

        Raises
        ------
        InputError
            If there is no model, or none that streams.
        """
        return cls(load_model(folder), **options)

    def reset(self) -> None:
        """Go back to the beginning of a stream."""
        self._state = self.streaming.start(batch_size=1)
        self._heard = HeardSoFar()

    @property
    def words(self) -> tuple[Word, ...]:
        """What has been heard, in time; the last word may go on."""
        return self.decoder.words(self._heard)

    @property
    def text(self) -> str:
        """The words, joined by spaces."""
        return " ".join(word.word for word in self.words)

    @torch.inference_mode()
    def accept(self, samples: Tensor) -> str:
        """Hear some samples.

        Arguments
        ---------
        samples : Tensor
            (N,) float32 at 16 kHz, or what `torch.as_tensor` takes; N of any size.

        Returns
        -------
        str
            The text so far.
        """
        waveform = torch.as_tensor(samples, dtype=torch.float32, device=self.device)
        log_probs, self._state = self.streaming.accept(waveform[None], self._state)
        self._decode(log_probs)
        return self.text

    @torch.inference_mode()
    def finish(self) -> str:
        """Give the text at the end of the stream, and begin another one."""
        self._decode(self.streaming.finish(self._state))
        text = self.text
        self.reset()
        return text

    def state_dict(self) -> dict[str, Any]:
        """Give what is remembered, for `torch.save`."""
        return {
            "frontend": pack(self._state.frontend),
            "encoder": pack(self._state.encoder),
            "heard": pack(self._heard),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where another recognizer of the same model was.

        Arguments
        ---------
        state : dict[str, Any]
            What `state_dict` gave.

        Raises
        ------
        InputError
            If it is none of this version.
        """
        parts = {name: unpack(state.get(name)) for name in _PARTS}
        for name, kind in _PARTS.items():
            if not isinstance(parts[name], kind):
                raise InputError(f"state of a stream: has no {name} of this version")
        self._state = ModelState(parts["frontend"], parts["encoder"])
        self._heard = parts["heard"]

    def _decode(self, log_probs: Tensor) -> None:
        self._heard = self.decoder.accept(log_probs[0], self._heard)
