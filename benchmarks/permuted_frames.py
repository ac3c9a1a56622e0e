"""Streams as frames of a model's front end, and what is to be written at each."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from hyperpyyaml import load_hyperpyyaml
from numpy.typing import NDArray
from permuted_streams import Plan, read_plan
from rich.console import Console
from rich.progress import track
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from torchaudio.functional import speed

from lact_modules.cli.option.transcribed import load_utterance
from lact_modules.data.audio import SAMPLE_RATE
from lact_modules.data.code_file import CodeFile
from lact_modules.data.manifest.manifest import read_manifest
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


def read_streams(trained: TrainedModel, corpus: Path) -> list[Stream]:
    """Run a front end over the training streams of a corpus.

    Over each at three speeds, with SpecAugment.
    """
    plan, tokens = read_plan(corpus), _tokens_of(trained, corpus)
    codes = CodeFile(corpus / "train.npz")
    recorded = read_manifest(corpus / "train.jsonl")
    return [
        _labelled(frames, codes[each.id], each.text.split(), plan, tokens)
        for each in track(recorded, "frames", console=Console(stderr=True))
        for frames in _augmented(trained.model, load_utterance(each))
    ]


def join(streams: Sequence[Stream]) -> Batch:
    """Pad streams to a batch."""
    frames, tokens, names, behind = zip(*streams, strict=True)
    return Batch(
        pad_sequence(frames, batch_first=True),
        torch.tensor([len(each) for each in frames]),
        pad_sequence(tokens, batch_first=True, padding_value=NO_LABEL),
        pad_sequence(names, batch_first=True, padding_value=NO_LABEL),
        pad_sequence(behind, batch_first=True),
    )


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
    codes: NDArray,
    written: Sequence[str],
    plan: Plan,
    tokens: Mapping[str, int],
) -> Stream:
    """Label the frames of each word, which are those of its codes."""
    labels, names = torch.zeros(2, len(frames), dtype=torch.int64)
    behind = torch.zeros(len(frames), dtype=torch.bool)
    runs = zip(_runs(codes, len(frames)), written, strict=True)
    for i, ((start, stop), word) in enumerate(runs):
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


def _runs(codes: NDArray, num_frames: int) -> Iterator[tuple[int, int]]:
    """Return the first frame of each word, and the one after its last."""
    share, position = num_frames / len(codes), 0
    for code, run in itertools.groupby(codes.tolist()):
        length = len([*run])
        if code:
            start = round(position * share)
            yield start, max(start + 1, round((position + length) * share))
        position += length
