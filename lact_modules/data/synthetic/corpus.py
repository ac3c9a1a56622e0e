"""The embedded default corpus: small, spoken by espeak-ng, in LibriSpeech's layout."""

import io
import json
import os
import zlib
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from multiprocessing import get_context, parent_process
from pathlib import Path
from random import Random
from threading import Thread

import numpy as np
import soundfile
from rich.console import Console
from rich.progress import track

from lact_modules.data.synthetic.espeak import Synthesizer, load_espeak
from lact_modules.data.synthetic.grammar import write_sentence
from lact_modules.data.synthetic.voices import SPEAKERS, Speaker, plan_speakers
from lact_modules.errors import InputError
from lact_modules.whole_file import whole_folder

# Hz; also in audio.py, which imports torch, for which each worker would wait.
SAMPLE_RATE = 16000

# Raise it when the same arguments give another corpus.
_VERSION = 1
_RECORD = "corpus.json"


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

    An utterance takes about 2.3 s. The same arguments give the same bytes with any
    number of processes; if the corpus is there already, nothing is done. One that was
    made with other arguments is replaced. No sentence and no speaker is in two splits.
    Returns hours by split; raises InputError if the folder holds a ``LibriSpeech`` that
    was not made here.
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
    with whole_folder(corpus, replace=True) as unfinished:
        hours = _record_all(speakers, unfinished, seed, workers or os.cpu_count() or 1)
        _write_speakers(unfinished / "SPEAKERS.TXT", speakers)
        text = json.dumps({"arguments": arguments, "hours": hours}, indent=2)
        (unfinished / _RECORD).write_text(text + "\n", encoding="utf-8")
    return hours


def record_speaker(speaker: Speaker, folder: Path, seed: int) -> float:
    """Write the utterances of one speaker; to be called in a process of its own.

    Returns seconds.
    """
    chapter = folder / speaker.split / str(speaker.id) / "1"
    chapter.mkdir(parents=True)
    synthesizer = Synthesizer(seed=speaker.id)
    transcripts = []
    samples = 0
    for number in range(speaker.utterances):
        name = f"{speaker.id}-1-{number:04d}"
        random = Random(f"{seed} {name}")
        text = _write_sentence(random, speaker.split)
        spoken = synthesizer.synthesize(
            text,
            speaker.voice,
            rate=speaker.rate,
            pitch=speaker.pitch,
            pitch_range=speaker.pitch_range,
        )
        waveform = _as_recorded(_resample(spoken, synthesizer.sample_rate), random)
        # Through memory: libsndfile does not distinguish a full disk from other faults.
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
    # The samples of espeak-ng depend on what the process synthesized before.
    spawn = get_context("spawn")
    with ProcessPoolExecutor(1, spawn, initializer=_end_with_parent) as pool:
        return pool.submit(record_speaker, speaker, folder, seed).result()


def _end_with_parent() -> None:
    """See to it that a worker does not wait for ever for one that was killed."""

    def wait() -> None:
        if parent := parent_process():
            parent.join()
        os._exit(1)

    Thread(target=wait, daemon=True).start()


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
        lines.append(
            f"{speaker.id} | {speaker.sex} | {speaker.split} | {speaker.voice}\n"
        )
    path.write_text("".join(lines), encoding="utf-8")
