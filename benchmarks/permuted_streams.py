"""Streams of words that go by other names, made of single words of one speaker."""

import itertools
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from typing import NamedTuple

import numpy
import soundfile
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from sentencepiece import SentencePieceTrainer
from study import read_some, write_json
from torch import Tensor

from lact_modules.cli.option.transcribed import load_utterance
from lact_modules.data.audio import SAMPLE_RATE
from lact_modules.data.code_file import write_codes
from lact_modules.data.manifest.manifest import Utterance, write_manifest
from lact_modules.data.text.subwords import SubwordVocabulary
from lact_modules.errors import InputError

Words = dict[str, list[Tensor]]
"""Recordings of each word, by one speaker."""

# what is this much louder than the floor is no pause
_ABOVE_FLOOR_DB, _FRAME = 20.0, SAMPLE_RATE // 100
# a pause between words is so much longer than any within them
_CLEARLY = 1.25
# seconds of a word; what is shorter is a click or a part, what is longer two words
_SHORTEST, _LONGEST = 0.2, 0.8
_NOISE_DB = -64.0
RECORD = "permutation.json"


@dataclass(frozen=True)
class Plan:
    """How streams are made: seconds, and numbers of names and strings.

    Arguments
    ---------
    names : int
        Names that stand for each other.
    strings : int
        Strings behind the gap.
    longest : int
        Names of a string, at the most; 3 at the least.
    gap : float
        Seconds of silence.
    seed : int
        Another one makes other streams.
    """

    names: int = 6
    strings: int = 4
    longest: int = 5
    gap: float = 3.0
    seed: int = 1


def find_words(waveform: Tensor, num_words: int) -> list[slice]:
    """Find words between the longest pauses of a string.

    Arguments
    ---------
    waveform : Tensor
        (N,) at 16 kHz.
    num_words : int
        How many were spoken.

    Returns
    -------
    list[slice]
        Samples of each; nothing if a pause within a word may be as long as those
        between words, or if something found does not last as a word does.
    """
    frames = waveform[: len(waveform) // _FRAME * _FRAME].reshape(-1, _FRAME)
    level = 10 * torch.log10(frames.square().mean(dim=1) + 1e-10)
    loud = (level > level.quantile(0.05) + _ABOVE_FLOOR_DB).nonzero().flatten()
    if len(loud) < num_words:
        return []
    pauses = sorted(
        ((stop - start, start, stop) for start, stop in _steps(loud)), reverse=True
    )
    between, within = pauses[: num_words - 1], pauses[num_words - 1 :]
    if between and within and between[-1][0] < _CLEARLY * within[0][0]:
        return []
    between.sort(key=lambda pause: pause[1])
    starts = [loud[0].item(), *(stop for _, _, stop in between)]
    ends = [*(start for _, start, _ in between), loud[-1].item()]
    # a frame more on each side, where a word sets in and fades
    found = [
        slice(max(0, start - 1) * _FRAME, (end + 2) * _FRAME)
        for start, end in zip(starts, ends, strict=True)
    ]
    seconds = [(each.stop - each.start) / SAMPLE_RATE for each in found]
    return found if _SHORTEST <= min(seconds) <= max(seconds) <= _LONGEST else []


def _steps(loud: Tensor) -> list[tuple[int, int]]:
    """Return the loud frames on both sides of each pause."""
    steps = itertools.pairwise(loud.tolist())
    return [(here, then) for here, then in steps if then > here + 1]


def cut_words(utterances: Iterable[Utterance]) -> dict[str, Words]:
    """Cut strings into words, by speaker; those that are not clear are skipped."""
    cut: dict[str, Words] = defaultdict(lambda: defaultdict(list))
    for utterance in utterances:
        words, waveform = utterance.text.split(), load_utterance(utterance)
        for word, found in zip(words, find_words(waveform, len(words)), strict=False):
            cut[utterance.speaker][word].append(waveform[found])
    return cut


class Part(NamedTuple):
    """A piece of a stream, and the word that is to be written there, if any."""

    waveform: Tensor
    written: str = ""


def make_stream(
    words: Words, plan: Plan, random: Random
) -> tuple[list[Part], list[str]]:
    """Make a stream of a speaker's words.

    Arguments
    ---------
    words : Words
        At least as many as `plan` has names.
    plan : Plan
        Numbers and durations.
    random : Random
        Draws names, their meanings, strings, and recordings.

    Returns
    -------
    parts : list[Part]
        Waveforms (N,) at 16 kHz, one after another.
    texts : list[str]
        The transcripts of its beginning, and of all that follows.
    """
    names = random.sample(sorted(words), plan.names)
    meaning = dict(zip(names, random.sample(names, len(names)), strict=True))
    strings = [
        random.choices(names, k=random.randint(3, plan.longest))
        for _ in range(plan.strings)
    ]
    parts = [Part(_pause(0.2, random))]

    def speak(name: str, written: str, pause: float) -> None:
        parts.append(Part(random.choice(words[name]), written))
        parts.append(Part(_pause(pause, random)))

    # what belongs together is heard, and recognized without a memory
    for name, stands_for in meaning.items():
        # a word that is said twice is one word to CTC, but for a pause
        speak(name, name, 0.03 if name != stands_for else 0.2)
        speak(stands_for, stands_for, 0.4)
    parts.append(Part(_pause(plan.gap, random)))
    for string in strings:
        for name in string:
            speak(name, meaning[name], 0.2)
        parts.append(Part(_pause(0.2, random)))
    written = [meaning[name] for string in strings for name in string]
    introduction = [name for pair in meaning.items() for name in pair]
    return parts, [" ".join(introduction), " ".join(written)]


def list_codes(parts: Sequence[Part], vocabulary: Sequence[str]) -> NDArray:
    """List what is to be written every 10 ms: 0 for nothing, words from 1."""
    numbers = {word: number for number, word in enumerate(["", *vocabulary])}
    codes = numpy.array([numbers[part.written] for part in parts])
    ends = numpy.cumsum([len(part.waveform) for part in parts])
    middles = numpy.arange(_FRAME // 2, ends[-1], _FRAME)
    return codes[numpy.searchsorted(ends, middles, side="right")]


def _pause(seconds: float, random: Random) -> Tensor:
    """Make a pause of about that length, as loud as those of a recording."""
    num_samples = round(seconds * random.uniform(0.9, 1.1) * SAMPLE_RATE)
    drawn = torch.Generator().manual_seed(random.getrandbits(32))
    return 10 ** (_NOISE_DB / 20) * torch.randn(num_samples, generator=drawn)


def write_split(
    utterances: Sequence[Utterance],
    folder: Path,
    streams: int,
    plan: Plan,
    vocabulary: Sequence[str],
) -> None:
    """Write streams of a folder, their manifest and codes."""
    cut = cut_words(track(utterances, folder.name, console=Console(stderr=True)))
    speakers = sorted(name for name, words in cut.items() if len(words) >= plan.names)
    if not speakers:
        raise InputError(
            f"{folder.name}: no speaker has {plan.names} different words that could "
            "be cut from strings; lower --names or give more data"
        )
    codes: dict[str, NDArray] = {}
    folder.mkdir(parents=True, exist_ok=True)
    random = Random(f"{plan.seed} {folder.name}")

    def write() -> Iterator[Utterance]:
        for number in range(streams):
            speaker = speakers[number % len(speakers)]
            parts, texts = make_stream(cut[speaker], plan, random)
            waveform = torch.cat([part.waveform for part in parts])
            name = f"{speaker}-{number:04d}"
            codes[name] = list_codes(parts, vocabulary)
            path = folder / f"{name}.flac"
            soundfile.write(path, waveform.clamp(-1, 1).numpy(), SAMPLE_RATE)
            audio = str(path.relative_to(folder.parent))
            seconds = len(waveform) / SAMPLE_RATE
            yield Utterance(name, audio, " ".join(texts), seconds, speaker)

    write_manifest(folder.with_suffix(".jsonl"), write())
    write_codes(folder.with_suffix(".npz"), codes, 1 + len(vocabulary))


def write_tokenizer(path: Path, vocabulary: Sequence[str]) -> None:
    """Write a SentencePiece model with a token for each word, for ``--tokenizer``."""
    with open(path, "wb") as file:
        SentencePieceTrainer.train(
            sentence_iterator=iter(vocabulary),
            model_writer=file,
            model_type="word",
            vocab_size=4 + len(vocabulary),
            pad_id=SubwordVocabulary.blank_id,
            bos_id=SubwordVocabulary.bos_id,
            eos_id=SubwordVocabulary.eos_id,
            unk_id=3,
            normalization_rule_name="identity",
            minloglevel=2,
        )


def write_corpus(
    data: Path, output: Path, sizes: dict[str, int], plan: Plan, limit: int | None
) -> None:
    """Write streams of every split of a corpus in LibriSpeech's layout."""
    splits = {split: read_some(data / split, limit) for split in sizes}
    texts = (each.text for utterances in splits.values() for each in utterances)
    vocabulary = sorted({word for text in texts for word in text.split()})
    for split, utterances in splits.items():
        write_split(utterances, output / split, sizes[split], plan, vocabulary)
    write_tokenizer(output / "words.model", vocabulary)
    # last: without it there is no corpus
    write_json(output / RECORD, asdict(plan))


def read_plan(corpus: Path) -> Plan:
    """Read how the streams of a folder were made."""
    path = corpus / RECORD
    if not path.is_file():
        raise InputError(
            f"{corpus}: no streams there; permutation.py makes some with --data"
        )
    return Plan(**json.loads(path.read_text(encoding="utf-8")))
