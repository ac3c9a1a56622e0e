"""Exports behind SpeechBrain's own ``EncoderASR`` and ``EncoderDecoderASR``."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from speechbrain.utils.fetching import fetch
from torch import Tensor, nn

from lact_modules.data.source.waveforms import to_waveform
from lact_modules.data.text.subwords import AnyVocabulary
from lact_modules.decoding.hypothesis import Hypothesis
from lact_modules.decoding.rescore import Decoder
from lact_modules.encoders import CTCModel
from lact_modules.inference.decoders import build_search
from lact_modules.model_store.loading import load_model
from lact_modules.model_store.trained_model import TrainedModel
from lact_modules.ops.padding import absolute_lengths


class ExportedEncoder(nn.Module):
    """The encoder of an export, ``modules: encoder`` of its ``hyperparams.yaml``.

    Without a model until `ExportLoader` gives it one.
    """

    model: CTCModel

    def take(self, trained: TrainedModel) -> None:
        """Be the encoder of a model."""
        self.model = trained.model

    def forward(self, wavs: Tensor, wav_lens: Tensor) -> Tensor:
        """Encode a batch.

        Arguments
        ---------
        wavs : Tensor
            (B, N) float32 at 16 kHz; padding has no influence.
        wav_lens : Tensor
            (B,) relative lengths, 1 is N.

        Returns
        -------
        Tensor
            (B, T, D) frames, zero at padding.
        """
        return self.model.encode(wavs, absolute_lengths(wav_lens, wavs.shape[1]))[0]


class ExportedDecoder(nn.Module):
    """The search of an export, ``modules: decoder`` of its ``hyperparams.yaml``.

    Without a model until `ExportLoader` gives it one.

    Arguments
    ---------
    **decoding : Any
        Options of :func:`~lact_modules.inference.decoders.build_search`; without any,
        what ``lact-asr transcribe`` does.
    """

    model: CTCModel
    search: Decoder

    def __init__(self, **decoding: Any):
        super().__init__()
        self.decoding = decoding

    def take(self, trained: TrainedModel) -> None:
        """Search the output of a model's encoder."""
        self.model = trained.model
        self.search = build_search(trained, **self.decoding)

    def forward(
        self, encoded: Tensor, wav_lens: Tensor
    ) -> tuple[list[Hypothesis], None, None, None]:
        """Decode a batch, as SpeechBrain calls its searchers.

        Arguments
        ---------
        encoded : Tensor
            (B, T, D) of `ExportedEncoder`.
        wav_lens : Tensor
            (B,) relative lengths, unused: the frames show which are padding.

        Returns
        -------
        tuple[list[Hypothesis], None, None, None]
            Hypotheses, instead of tokens; no lengths, scores and
            log-probabilities.
        """
        outputs = self.model.outputs(encoded, count_frames(encoded))
        return self.search(*outputs), None, None, None


def decode(
    encoded: Tensor, wav_lens: Tensor, decoder: ExportedDecoder
) -> list[Hypothesis]:
    """Decode a batch, as ``EncoderASR`` calls its ``decoding_function``.

    Arguments
    ---------
    encoded : Tensor
        (B, T, D) of `ExportedEncoder`.
    wav_lens : Tensor
        (B,) relative lengths.
    decoder : ExportedDecoder
        The search.

    Returns
    -------
    list[Hypothesis]
        Hypotheses, instead of tokens.
    """
    return decoder(encoded, wav_lens)[0]


def count_frames(encoded: Tensor) -> Tensor:
    """Count valid frames (B,), where relative lengths would have to be rounded."""
    if not encoded.shape[1]:
        return torch.zeros(len(encoded), dtype=torch.long, device=encoded.device)
    numbers = torch.arange(1, encoded.shape[1] + 1, device=encoded.device)
    return (encoded.any(dim=-1) * numbers).amax(dim=1)


class Tokenizer:
    """The vocabulary of an export, by the names of SentencePiece's methods.

    Without a vocabulary until `ExportLoader` gives it one.
    """

    vocabulary: AnyVocabulary

    def take(self, trained: TrainedModel) -> None:
        """Be the tokenizer of a model."""
        self.vocabulary = trained.vocabulary

    def encode_as_ids(self, text: str) -> list[int]:
        """Turn text into ids of tokens."""
        return self.vocabulary.encode(text)

    def decode_ids(self, ids: Hypothesis | Iterable[int]) -> str:
        """Return the text of ids, or of a hypothesis that `decode` returned."""
        if isinstance(ids, Hypothesis):
            return ids.text
        return self.vocabulary.decode(ids)


class AudioNormalizer:
    """Mix and resample as ``lact-asr`` does, instead of SpeechBrain's.

    Example
    -------
    >>> AudioNormalizer()(torch.zeros(800, 2), 8000).shape
    torch.Size([1600])
    """

    def __call__(self, audio: Tensor, sample_rate: int) -> Tensor:
        """Return samples (N,) at 16 kHz of those (N, C) or (N,) at any rate."""
        audio = audio[:, None] if audio.ndim == 1 else audio
        return to_waveform(audio, sample_rate)


class ExportLoader:
    """Fetch the files of an export and load them, as a SpeechBrain ``pretrainer``.

    SpeechBrain's own needs a file for each part, named after it and ending in
    ``.ckpt``. No code of the export is run but its ``hyperparams.yaml``.

    Arguments
    ---------
    parts : list[Any]
        Each `take` what was loaded.
    files : list[str]
        Of the export.
    """

    def __init__(self, parts: list[Any], files: list[str]):
        self.parts, self.files = parts, files
        self._folder: Path | None = None
        self._savedir: str | Path | None = None

    def set_collect_in(self, path: str | Path | None) -> None:
        """Name the folder for copies or links, None for none."""
        self._savedir = path

    def collect_files(self, default_source: Any = None, **options: Any) -> None:
        """Fetch all files from a folder or the hub; options are SpeechBrain's."""
        for name in self.files:
            path = fetch(name, default_source, savedir=self._savedir, **options)
            self._folder = Path(path).parent

    def load_collected(self) -> None:
        """Load the fetched files into the parts.

        Raises
        ------
        InputError
            If a file is missing or damaged, or a search refuses its options.
        """
        assert self._folder is not None
        trained = load_model(self._folder)
        for part in self.parts:
            part.take(trained)
