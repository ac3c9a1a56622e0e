"""The embedded default corpus: small, spoken by espeak-ng, in LibriSpeech's layout."""

import io
import json
import os
import shutil
import zlib
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from random import Random

import numpy as np
import soundfile
from rich.console import Console
from rich.progress import track

from lact_modules.data.espeak import Synthesizer, load_espeak
from lact_modules.data.grammar import write_sentence
from lact_modules.errors import InputError

# Hz; audio.py says so too, but imports torch, which each worker would wait for.
SAMPLE_RATE = 16000

ACCENTS = (
    "en",
    "en-us",
    "en-029",
    "en-gb-scotland",
    "en-gb-x-gbclan",
    "en-gb-x-gbcwmd",
    "en-gb-x-rp",
    "en-us-nyc",
)
# No divisor in common with the number of accents: see plan_speakers.
VARIANTS = (
    *("f1", "f2", "f3", "f4", "f5", "linda", "steph"),
    *("m1", "m2", "m3", "m4", "m6", "m7", "m8", "max"),
)
_FEMALE = ("f", "linda", "steph")

SPEAKERS = {"train": 32, "dev": 4, "test": 8}
"""Speakers of each split; no speaker is in two."""

# Raise it when the same arguments give another corpus.
_VERSION = 1
_RECORD = "corpus.json"


@dataclass(frozen=True)
class Speaker:
    """One voice of the corpus, and how much it says.

    Arguments
    ---------
    id : int
        Folder name.
    split : str
        train, dev or test.
    voice : str
        espeak-ng's language and variant, such as ``en-us+f3``.
    rate : int
        Words a minute.
    pitch : int
        0 to 99.
    pitch_range : int
        0 to 99.
    utterances : int
        How many sentences the speaker says.
    """

    id: int
    split: str
    voice: str
    rate: int
    pitch: int
    pitch_range: int
    utterances: int


def make_corpus(
    folder: str | Path,
    *,
    train: int,
    dev: int,
    test: int,
    seed: int = 0,
    workers: int | None = None,
) -> dict[str, float]:
    """Write the corpus to ``folder/LibriSpeech``; complete, or not at all.

    The same arguments give the same bytes with any number of workers; if the corpus
    is there already, nothing is done. One that was made with other arguments is
    replaced. No sentence and no speaker is in two splits.

    Arguments
    ---------
    folder : str | Path
        Made if missing.
    train, dev, test : int
        Utterances of each split, about 2.2 s each.
    seed : int
        Another seed gives other voices and sentences.
    workers : int | None
        Processes; one a core if None.

    Returns
    -------
    dict[str, float]
        Hours of each split.

    Raises
    ------
    InputError
        If espeakng-loader is missing, a size is not positive, or the folder
        holds a ``LibriSpeech`` that was not made here.

    Example
    -------
    >>> import tempfile
    >>> corpus = tempfile.mkdtemp()
    >>> sorted(make_corpus(corpus, train=1, dev=1, test=1))
    ['dev', 'test', 'train']
    """
    sizes = {"train": train, "dev": dev, "test": test}
    if min(sizes.values()) < 1:
        raise InputError(f"synthetic corpus: each split needs an utterance: {sizes}")
    corpus = Path(folder) / "LibriSpeech"
    arguments = {**sizes, "seed": seed, "version": _VERSION}
    record = _read_record(corpus)
    if record and record["arguments"] == arguments:
        return record["hours"]
    load_espeak()
    speakers = plan_speakers(sizes, seed)
    unfinished = corpus.with_name("LibriSpeech.part")
    shutil.rmtree(unfinished, ignore_errors=True)
    try:
        hours = _record_all(speakers, unfinished, seed, workers or os.cpu_count() or 1)
        _write_speakers(unfinished / "SPEAKERS.TXT", speakers)
        text = json.dumps({"arguments": arguments, "hours": hours}, indent=2)
        (unfinished / _RECORD).write_text(text + "\n", encoding="utf-8")
        shutil.rmtree(corpus, ignore_errors=True)
        os.replace(unfinished, corpus)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return hours


def plan_speakers(sizes: dict[str, int], seed: int) -> list[Speaker]:
    """Choose the voices, and share each split's utterances among its speakers.

    Speaker `i` has accent `i mod 8` and variant `i mod 15` of the shuffled lists: 120
    different voices, and each accent and variant of the test is heard in training.

    Arguments
    ---------
    sizes : dict[str, int]
        Utterances of each split.
    seed : int
        Shuffles the voices.

    Returns
    -------
    list[Speaker]
        With ids from 1 upwards, training first.

    Example
    -------
    >>> len(plan_speakers({"train": 100, "dev": 10, "test": 3}, seed=0))
    39
    """
    random = Random(f"{seed} speakers")
    accents = random.sample(ACCENTS, len(ACCENTS))
    variants = random.sample(VARIANTS, len(VARIANTS))
    speakers: list[Speaker] = []
    for split, size in sizes.items():
        number = min(SPEAKERS[split], size)
        for share in range(number):
            i = len(speakers)
            speaker = Speaker(
                id=i + 1,
                split=split,
                voice=f"{accents[i % len(accents)]}+{variants[i % len(variants)]}",
                rate=random.randint(135, 165),
                pitch=random.randint(35, 65),
                pitch_range=random.randint(35, 65),
                utterances=len(range(share, size, number)),
            )
            speakers.append(speaker)
    return speakers


def record_speaker(speaker: Speaker, folder: Path, seed: int) -> float:
    """Write all that one speaker says; to be called in a process of its own.

    Arguments
    ---------
    speaker : Speaker
        Who speaks.
    folder : Path
        The corpus; ``<split>/<speaker>/1`` is made in it.
    seed : int
        Seed of the corpus.

    Returns
    -------
    float
        Seconds spoken.
    """
    chapter = folder / speaker.split / str(speaker.id) / "1"
    chapter.mkdir(parents=True)
    synthesizer = Synthesizer()
    transcripts = []
    samples = 0
    for number in range(speaker.utterances):
        name = f"{speaker.id}-1-{number:04d}"
        random = Random(f"{seed} {name}")
        text = _write_sentence(random, speaker.split)
        spoken = synthesizer.say(
            text,
            speaker.voice,
            rate=speaker.rate,
            pitch=speaker.pitch,
            pitch_range=speaker.pitch_range,
        )
        waveform = _as_recorded(_resample(spoken, synthesizer.sample_rate), random)
        # Through memory: libsndfile does not tell a full disk from other faults.
        flac = io.BytesIO()
        soundfile.write(flac, waveform, SAMPLE_RATE, format="FLAC", subtype="PCM_16")
        (chapter / f"{name}.flac").write_bytes(flac.getvalue())
        transcripts.append(f"{name} {text}\n")
        samples += len(waveform)
    transcript_file = chapter / f"{speaker.id}-1.trans.txt"
    transcript_file.write_text("".join(transcripts), encoding="utf-8")
    return samples / SAMPLE_RATE


def _record_all(
    speakers: list[Speaker], folder: Path, seed: int, workers: int
) -> dict[str, float]:
    hours = dict.fromkeys(SPEAKERS, 0.0)
    with ThreadPoolExecutor(workers) as pool:
        seconds = track(
            pool.map(partial(_in_own_process, folder=folder, seed=seed), speakers),
            description="Speaking",
            total=len(speakers),
            console=Console(stderr=True),
            transient=True,
        )
        for speaker, spoken in zip(speakers, seconds, strict=True):
            hours[speaker.split] += spoken / 3600
    return hours


def _in_own_process(speaker: Speaker, folder: Path, seed: int) -> float:
    # What espeak-ng says depends on what the process said before.
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(record_speaker, speaker, folder, seed).result()


def _write_sentence(random: Random, split: str) -> str:
    # A sentence's own hash decides its split, so that no two splits share one.
    while True:
        text = write_sentence(random)
        home = {0: "test", 1: "dev"}.get(zlib.crc32(text.encode()) % 8, "train")
        if home == split:
            return text


def _resample(samples: np.ndarray, rate: int) -> np.ndarray:
    # By cutting the spectrum: exact for a lower rate and a sound that ends silent.
    length = round(len(samples) * SAMPLE_RATE / rate)
    spectrum = np.fft.rfft(samples)[: length // 2 + 1]
    return np.fft.irfft(spectrum, length) * length / len(samples)


def _as_recorded(speech: np.ndarray, random: Random) -> np.ndarray:
    # Pauses at the ends (s), level (full scale is 1) and noise floor (dB below).
    before, after = (
        np.zeros(round(random.uniform(0.05, 0.3) * SAMPLE_RATE)) for _ in range(2)
    )
    level = random.uniform(0.3, 0.9) / np.abs(speech).max()
    waveform = np.concatenate([before, level * speech, after])
    noise = np.random.default_rng(random.getrandbits(64)).normal(size=len(waveform))
    return waveform + 10 ** (random.uniform(-65, -50) / 20) * noise


def _read_record(corpus: Path) -> dict | None:
    if not corpus.exists():
        return None
    try:
        return json.loads((corpus / _RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(
            f"{corpus}: exists, and is no synthetic corpus; give another folder"
        ) from error


def _write_speakers(path: Path, speakers: list[Speaker]) -> None:
    lines = [";ID | SEX | SUBSET | VOICE\n"]
    for speaker in speakers:
        variant = speaker.voice.rpartition("+")[2]
        sex = "F" if variant.startswith(_FEMALE) else "M"
        lines.append(f"{speaker.id} | {sex} | {speaker.split} | {speaker.voice}\n")
    path.write_text("".join(lines), encoding="utf-8")
