"""Score audio of any length piece by piece, several files at once."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from lact_modules.data.audio import SAMPLE_RATE
from lact_modules.data.source.audio_file import Waveform
from lact_modules.inference.stream.model import ModelState, StreamingModel
from lact_modules.layers.chunking import map_tensors

MAX_WHOLE_SECONDS = 60.0
"""What is longer is run piece by piece where the model can."""


class LongForm:
    """Run a model over long audio, with a state that is carried from piece to piece.

    The output is that of one call on the whole, for each audio, up to rounding:
    fast weights of which all three matrices are updated may carry that on until it
    shows. All audios are at the same place at the same time; one that has ended leaves
    the batch, so there is no padding.

    On the device lie a piece of each audio, what the model makes of it, and its state:
    their size depends on the number of audios, not on their lengths. On the CPU the
    log-probabilities gather, 4 V bytes a frame: at 25 frames a second 10 MB an hour
    for 29 tokens, 1.8 GB for 5000, and three times that for a moment at the end.
    """

    def __init__(self, model: StreamingModel, piece_seconds: float = 30.0):
        self.model = model
        self.piece_size = round(piece_seconds * SAMPLE_RATE)

    def __call__(self, waveforms: Sequence[Waveform]) -> tuple[Tensor, Tensor]:
        """Return log-probabilities (B, T, V), zero at padding, and lengths (B,).

        They are on the CPU. Waveforms (N,) at 16 kHz may have any length, even 0.
        """
        readers = [iter(waveform.split(self.piece_size)) for waveform in waveforms]
        scores: list[list[Tensor]] = [[] for _ in waveforms]
        rows, state = list(range(len(readers))), self.model.start(len(readers))
        while rows:
            pieces = {row: next(readers[row], torch.zeros(0)) for row in rows}
            going = [row for row in rows if len(pieces[row]) == self.piece_size]
            for place, row in enumerate(rows):
                if row not in going:
                    scores[row] += self._end(pieces[row], _select(state, [place]))
            if going:
                state = _select(state, [rows.index(row) for row in going])
                log_probs, state = self._accept([pieces[row] for row in going], state)
                for row, frames in zip(going, log_probs, strict=True):
                    scores[row].append(frames)
            rows = going
        joined = [torch.cat(parts) for parts in scores]
        lengths = torch.tensor([len(frames) for frames in joined])
        return pad_sequence(joined, batch_first=True), lengths

    def _accept(
        self, pieces: Sequence[Tensor], state: ModelState
    ) -> tuple[Tensor, ModelState]:
        batch = torch.stack(list(pieces)).to(self.model.device)
        log_probs, state = self.model.accept(batch, state)
        return log_probs.cpu(), state

    def _end(self, piece: Tensor, state: ModelState) -> tuple[Tensor, Tensor]:
        log_probs, state = self._accept([piece], state)
        return log_probs[0], self.model.finish(state)[0].cpu()


def _select(state: ModelState, rows: list[int]) -> ModelState:
    """Take some audios' part of a state, whose tensors are all (B, ...)."""
    selected: ModelState = map_tensors(lambda tensor: tensor[rows], state)
    return selected
