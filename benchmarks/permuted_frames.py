"""Frames of single words, by a model's front end, and streams that are made of them."""

import itertools
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import torch
from hyperpyyaml import load_hyperpyyaml
from permuted_streams import Plan, Words, make_stream
from rich.console import Console
from rich.progress import track
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool1d
from torch.nn.utils.rnn import pad_sequence
from torchaudio.functional import speed

from lact_modules.cli.option.transcribed import load_utterance
from lact_modules.data.audio import SAMPLE_RATE
from lact_modules.data.code_file import CodeFile
from lact_modules.data.manifest.manifest import Utterance, read_manifest
from lact_modules.data.text.subwords import SubwordVocabulary
from lact_modules.encoders import CTCModel
from lact_modules.errors import InputError
from lact_modules.model_store.trained_model import TrainedModel

NO_LABEL = -100
_HPARAMS = Path(__file__).resolve().parents[1] / "hparams"
_SPEC_AUGMENT = load_hyperpyyaml(
    f"augment: !include:{_HPARAMS / 'augmentation' / 'specaugment_mild.yaml'}"
)["augment"]


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


class Stream(NamedTuple):
    """A stream of `Batch`, without padding: (T, D), and three times (T,)."""

    frames: Tensor
    tokens: Tensor
    names: Tensor
    is_behind_gap: Tensor


@dataclass(frozen=True)
class FrameBank:
    """Streams of frames, and the frames of their words, and of pauses, by speaker.

    Arguments
    ---------
    streams : Sequence[Stream]
        As recorded.
    words : Mapping[str, Words]
        Frames (N, D) of each time that a speaker says a word.
    pauses : Mapping[str, Tensor]
        (N, D) frames of a pause.
    frame_rate : float
        Frames a second.
    tokens : Mapping[str, int]
        Of each word; 0 is the blank.
    """

    streams: Sequence[Stream]
    words: Mapping[str, Words]
    pauses: Mapping[str, Tensor]
    frame_rate: float
    tokens: Mapping[str, int]

    @classmethod
    def of(cls, trained: TrainedModel, corpus: Path, plan: Plan) -> "FrameBank":
        """Run a front end over the training streams of a corpus, and cut them.

        Each stream at three speeds, with SpecAugment.
        """
        words: Any = defaultdict(lambda: defaultdict(list))
        streams, pauses, tokens = [], {}, _tokens_of(trained, corpus)
        codes = CodeFile(corpus / "train.npz")
        recorded = read_manifest(corpus / "train.jsonl")
        for each in track(recorded, "frames", console=Console(stderr=True)):
            written, spoken = each.text.split(), _spoken(each, plan)
            for frames in _augmented(trained.model, load_utterance(each)):
                runs = list(_runs(codes[each.id], len(frames)))
                for name, (start, stop) in zip(spoken, runs, strict=True):
                    words[each.speaker][name].append(frames[start:stop])
                before, after = runs[2 * plan.names - 1 : 2 * plan.names + 1]
                pauses[each.speaker] = frames[before[1] + 2 : after[0] - 2]
                streams.append(_labelled(frames, runs, written, plan, tokens))
        return cls(streams, words, pauses, trained.model.frame_rate, tokens)

    def draw(
        self, batch_size: int, word_frames: int | None, plan: Plan, random: Random
    ) -> Batch:
        """Draw streams with words of so many frames, or recorded ones if None."""
        if word_frames is None:
            streams = random.choices(self.streams, k=batch_size)
        else:
            streams = [
                self._compose(word_frames, plan, random) for _ in range(batch_size)
            ]
        frames, tokens, names, behind = zip(*streams, strict=True)
        return Batch(
            pad_sequence(frames, batch_first=True),
            torch.tensor([len(each) for each in frames]),
            pad_sequence(tokens, batch_first=True, padding_value=NO_LABEL),
            pad_sequence(names, batch_first=True, padding_value=NO_LABEL),
            pad_sequence(behind, batch_first=True),
        )

    def _compose(self, word_frames: int, plan: Plan, random: Random) -> Stream:
        speaker = random.choice(sorted(self.words))

        def make_pause(seconds: float, random: Random) -> Tensor:
            num_frames = round(seconds * random.uniform(0.9, 1.1) * self.frame_rate)
            drawn = random.choices(range(len(self.pauses[speaker])), k=num_frames)
            return self.pauses[speaker][drawn]

        parts, _ = make_stream(self.words[speaker], make_pause, plan, random)
        signals = [
            _average(part.signal, word_frames) if part.written else part.signal
            for part in parts
        ]
        ends = [*itertools.accumulate(map(len, signals))]
        runs = [
            (end - len(signal), end)
            for end, signal, part in zip(ends, signals, parts, strict=True)
            if part.written
        ]
        written = [part.written for part in parts if part.written]
        return _labelled(torch.cat(signals), runs, written, plan, self.tokens)


def _average(word: Tensor, num_frames: int) -> Tensor:
    """Map the frames (N, D) of a word to so many."""
    return adaptive_avg_pool1d(word.T[None], num_frames)[0].T


@torch.no_grad()
def _augmented(model: CTCModel, waveform: Tensor) -> Iterator[Tensor]:
    """Yield the frames (T, D) of a stream, slower, as it is and faster."""
    for factor in (0.9, 1.0, 1.1):
        played, _ = speed(waveform[None], SAMPLE_RATE, factor)
        lengths = torch.tensor([played.shape[1]])
        frames, _ = model.make_frames(played, lengths, _mask)
        yield frames[0].clone()


def _mask(features: Tensor, lengths: Tensor) -> Tensor:
    """Mask bands of features (B, T, M), and some of them for a moment."""
    masked: Tensor = _SPEC_AUGMENT(features, torch.ones(len(features)))[0]
    return masked


def _labelled(
    frames: Tensor,
    runs: Sequence[tuple[int, int]],
    written: Sequence[str],
    plan: Plan,
    tokens: Mapping[str, int],
) -> Stream:
    """Label the frames of words, from and to which each `run` lasts."""
    labels, names = torch.zeros(2, len(frames), dtype=torch.int64)
    behind = torch.zeros(len(frames), dtype=torch.bool)
    for i, ((start, stop), word) in enumerate(zip(runs, written, strict=True)):
        labels[start:stop] = tokens[word]
        if i >= 2 * plan.names:
            behind[start:stop] = True
        elif i % 2:
            names[start:stop] = tokens[written[i - 1]]
    return Stream(frames, labels, names, behind)


def _tokens_of(trained: TrainedModel, corpus: Path) -> dict[str, int]:
    """Return the token of each word that is written in a corpus."""
    texts = [each.text for each in read_manifest(corpus / "train.jsonl")]
    words = sorted({word for text in texts for word in text.split()})
    return {word: _token_of(word, trained) for word in words}


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
