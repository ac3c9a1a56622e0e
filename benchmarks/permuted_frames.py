"""Frames of single words, by a model's front end, and streams that are made of them."""

import itertools
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import torch
from permuted_streams import Plan, Words, make_stream
from rich.console import Console
from rich.progress import track
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool1d
from torch.nn.utils.rnn import pad_sequence

from lact_modules.cli.option.transcribed import load_utterance
from lact_modules.data.code_file import CodeFile
from lact_modules.data.manifest.manifest import Utterance, read_manifest
from lact_modules.data.text.subwords import SubwordVocabulary
from lact_modules.errors import InputError
from lact_modules.model_store.trained_model import TrainedModel

NO_LABEL = -100


class Batch(NamedTuple):
    """Streams for the encoder: what it sees, and what is to be written.

    Arguments
    ---------
    frames : Tensor
        (B, T, D).
    lengths : Tensor
        (B,) valid frames.
    tokens : Tensor
        (B, T) int64 of each frame, 0 in pauses, `NO_LABEL` at padding.
    names : Tensor
        (B, T) the same, but for the second words of pairs the first, 0 elsewhere.
    is_behind_gap : Tensor
        (B, T) bool: words that cannot be written without a memory.
    """

    frames: Tensor
    lengths: Tensor
    tokens: Tensor
    names: Tensor
    is_behind_gap: Tensor


@dataclass(frozen=True)
class FrameBank:
    """Frames of words, and of pauses, by speaker.

    Arguments
    ---------
    words : Mapping[str, Words]
        Frames (N, D) of each time that a speaker says a word.
    pauses : Mapping[str, Tensor]
        (N, D) frames of a pause.
    frame_rate : float
        Frames a second.
    tokens : Mapping[str, int]
        Of each word; 0 is the blank.
    """

    words: Mapping[str, Words]
    pauses: Mapping[str, Tensor]
    frame_rate: float
    tokens: Mapping[str, int]

    @classmethod
    @torch.no_grad()
    def of(cls, trained: TrainedModel, corpus: Path, plan: Plan) -> "FrameBank":
        """Run a front end over the training streams of a corpus, and cut them."""
        model, codes = trained.model, CodeFile(corpus / "train.npz")
        words: Any = defaultdict(lambda: defaultdict(list))
        pauses: dict[str, Tensor] = {}
        streams = read_manifest(corpus / "train.jsonl")
        for stream in track(streams, "frames", console=Console(stderr=True)):
            waveform = load_utterance(stream)[None]
            frames, _ = model.make_frames(waveform, torch.tensor([waveform.shape[1]]))
            runs = list(_runs(codes[stream.id], frames.shape[1]))
            for name, (start, stop) in zip(_spoken(stream, plan), runs, strict=True):
                words[stream.speaker][name].append(frames[0, start:stop].clone())
            gap = slice(runs[2 * plan.names - 1][1] + 2, runs[2 * plan.names][0] - 2)
            pauses[stream.speaker] = frames[0, gap].clone()
        vocabulary = sorted({name for each in words.values() for name in each})
        tokens = {name: _token_of(name, trained) for name in vocabulary}
        return cls(words, pauses, model.frame_rate, tokens)

    def lasting(self, num_frames: int | None) -> "FrameBank":
        """Return the same words of so many frames each; None: as they were spoken."""
        if num_frames is None:
            return self

        def shorten(word: Tensor) -> Tensor:
            return adaptive_avg_pool1d(word.T[None], num_frames)[0].T

        words = {
            speaker: {name: [*map(shorten, each)] for name, each in spoken.items()}
            for speaker, spoken in self.words.items()
        }
        return FrameBank(words, self.pauses, self.frame_rate, self.tokens)

    def draw(self, batch_size: int, plan: Plan, random: Random) -> Batch:
        """Draw streams of so many speakers."""
        streams = [self._draw_one(plan, random) for _ in range(batch_size)]
        frames, tokens, names, behind = zip(*streams, strict=True)
        return Batch(
            pad_sequence(frames, batch_first=True),
            torch.tensor([len(each) for each in frames]),
            pad_sequence(tokens, batch_first=True, padding_value=NO_LABEL),
            pad_sequence(names, batch_first=True, padding_value=NO_LABEL),
            pad_sequence(behind, batch_first=True),
        )

    def _draw_one(self, plan: Plan, random: Random) -> tuple[Tensor, ...]:
        speaker = random.choice(sorted(self.words))

        def make_pause(seconds: float, random: Random) -> Tensor:
            num_frames = round(seconds * random.uniform(0.9, 1.1) * self.frame_rate)
            drawn = random.choices(range(len(self.pauses[speaker])), k=num_frames)
            return self.pauses[speaker][drawn]

        parts, _ = make_stream(self.words[speaker], make_pause, plan, random)
        lengths = torch.tensor([len(part.signal) for part in parts])
        written = torch.tensor([self.tokens.get(part.written, 0) for part in parts])
        # pauses are before, between and after the words of all pairs
        end = 4 * plan.names
        behind = (torch.arange(len(parts)) > end) & (written != 0)
        names = torch.zeros_like(written)
        names[3:end:4] = written[1:end:4]
        labels = (each.repeat_interleave(lengths) for each in (written, names, behind))
        return torch.cat([part.signal for part in parts]), *labels


def _token_of(name: str, trained: TrainedModel) -> int:
    words = trained.vocabulary
    tokens = words.encode(name) if isinstance(words, SubwordVocabulary) else []
    if len(tokens) != 1:
        raise InputError(
            f"the model has no token for the word {name}; train it with the streams' "
            "--tokenizer, words.model"
        )
    return tokens[0]


def _spoken(stream: Utterance, plan: Plan) -> Sequence[str]:
    """Return what is said in a stream: behind the gap, names instead of meanings."""
    written = stream.text.split()
    pairs, rest = written[: 2 * plan.names], written[2 * plan.names :]
    names = dict(zip(pairs[1::2], pairs[::2], strict=True))
    return [*pairs, *(names[meaning] for meaning in rest)]


def _runs(codes: Any, num_frames: int) -> Iterator[tuple[int, int]]:
    """Return the first frame of each word, and the one after its last."""
    share, position = num_frames / len(codes), 0
    for code, run in itertools.groupby(codes.tolist()):
        length = len([*run])
        if code:
            start = round(position * share)
            yield start, max(start + 1, round((position + length) * share))
        position += length
