"""Conditions to test a recognizer under: corruptions by name, joined and repeatable."""

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from lact_modules.data.audio import load_audio
from lact_modules.data.corruption import (
    CODECS,
    add_gaussian,
    add_noise,
    apply_codec,
    band_limit,
    change_speed,
    clip,
    reverberate,
)
from lact_modules.data.source.audio_folder import AudioFolder
from lact_modules.errors import InputError

Step = Callable[[Tensor, torch.Generator], Tensor]


class _Range(NamedTuple):
    """The numbers that a corruption takes; of its `step` only multiples, if any."""

    form: str
    low: str
    high: str
    step: str = ""


# band_limit's filters grow as the divisor shared with 16000 falls, to 0.5 GB at 1
_RANGES = {
    "gaussian": _Range("gaussian:SIGMA", "0", "1"),
    "noise": _Range("noise:SNR_DB", "-60", "60"),
    "speed": _Range("speed:FACTOR", "0.25", "4", step="0.01"),
    "band": _Range("band:SAMPLE_RATE", "1000", "16000", step="25"),
    "clip": _Range("clip:FRACTION", "0.001", "1"),
}

FORMS = (
    *(allowed.form for allowed in _RANGES.values()),
    "room",
    "room:RESPONSE",
    "codec:NAME",
)
"""How the corruptions are written."""


class _Part(NamedTuple):
    """One corruption of a condition, and what it is called in names of files."""

    name: str
    step: Step


@dataclass(frozen=True)
class Condition:
    """Corruptions that follow one another; the name can be a folder's.

    A step takes a waveform (N,) and the generator that it draws from.
    """

    name: str
    steps: tuple[Step, ...]

    def corrupt(self, waveform: Tensor, utterance_id: str, seed: int) -> Tensor:
        """Corrupt (N,) samples at 16 kHz on the CPU; the result may exceed full scale.

        What is drawn depends on the seed, the condition's name and the utterance's id
        alone: other utterances and their order do not matter. Only a change of speed
        changes N.
        """
        key = f"{seed} {self.name} {utterance_id}".encode()
        number = int.from_bytes(hashlib.sha256(key).digest()[:8], "big")
        generator = torch.Generator().manual_seed(number)
        for step in self.steps:
            waveform = step(waveform, generator)
        return waveform


def read_conditions(
    texts: Sequence[str],
    noise_folder: str | Path | None = None,
    rir_folder: str | Path | None = None,
) -> list[Condition]:
    """Read conditions as a user writes them: `FORMS`, or several joined by ``+``.

    ``noise`` draws from the one folder, see `AudioFolder`, ``room`` from the other;
    ``room:RESPONSE`` takes one response for all utterances, by its path in the folder
    or by its number from 0. Raises InputError if that cannot be had, or two conditions
    have one name.
    """
    folders = _open_folders(texts, noise_folder, rir_folder)
    conditions: dict[str, Condition] = {}
    for text in texts:
        parts = [_read_part(part, folders) for part in text.split("+")]
        name = "+".join(part.name for part in parts)
        if name in conditions:
            raise InputError(
                f"condition {text!r}: another one is named {name} too; leave one out"
            )
        conditions[name] = Condition(name, tuple(part.step for part in parts))
    return list(conditions.values())


def _open_folders(
    texts: Sequence[str], noise_folder: str | Path | None, rir_folder: str | Path | None
) -> dict[str, AudioFolder]:
    """Open the folders that are drawn from, by what draws from them."""
    kinds = {part.partition(":")[0] for text in texts for part in text.split("+")}
    opened = {}
    for kind, option, folder in (
        ("noise", "--noise-folder", noise_folder),
        ("room", "--rir-folder", rir_folder),
    ):
        if kind in kinds:
            if folder is None:
                raise InputError(f"condition {kind}: needs recordings; give {option}")
            opened[kind] = AudioFolder(folder)
    return opened


def _read_part(text: str, folders: Mapping[str, AudioFolder]) -> _Part:
    kind, _, value = text.partition(":")
    if kind == "room":
        return _make_room(value, folders[kind])
    if kind == "codec":
        if value not in CODECS:
            choices = ", ".join(CODECS)
            raise InputError(
                f"condition {text!r}: no such codec; choose from {choices}"
            )
        return _Part(f"codec-{value}", lambda waveform, _: apply_codec(waveform, value))
    if kind not in _RANGES:
        raise InputError(
            f"condition {text!r}: unknown; choose from {', '.join(FORMS)}, or join "
            "several with +"
        )
    number = _read_number(text, value, _RANGES[kind])
    name = f"{kind}-{number.normalize():f}"
    if kind == "noise":
        return _Part(f"{name}dB", _make_noise(folders[kind], float(number)))
    return _Part(name, _make_step(kind, float(number)))


def _read_number(text: str, value: str, allowed: _Range) -> Decimal:
    low, high, step = (Decimal(limit or 0) for limit in allowed[1:])
    try:
        number = Decimal(value)
        if low <= number <= high and not (step and number % step):
            return number
    # of what is no number, and of comparing NaN
    except ArithmeticError:
        pass
    multiple = f", a multiple of {step}" if step else ""
    raise InputError(
        f"condition {text!r}: expected {allowed.form}, a number from {low} to {high}"
        f"{multiple}"
    )


def _make_step(kind: str, number: float) -> Step:
    match kind:
        case "gaussian":
            return lambda waveform, generator: add_gaussian(waveform, number, generator)
        case "speed":
            return lambda waveform, _: change_speed(waveform, number)
        case "band":
            return lambda waveform, _: band_limit(waveform, round(number))
    return lambda waveform, _: clip(waveform, number)


def _make_noise(noises: AudioFolder, snr_db: float) -> Step:
    def step(waveform: Tensor, generator: torch.Generator) -> Tensor:
        noise = noises.draw(max_samples=len(waveform), generator=generator)
        return add_noise(waveform, noise, snr_db)

    return step


def _make_room(name: str, rooms: AudioFolder) -> _Part:
    if name:
        response = load_audio(rooms.find(name))
        safe_name = re.sub(r"[^\w.-]", "-", name)
        return _Part(
            f"room-{safe_name}", lambda waveform, _: reverberate(waveform, response)
        )

    def step(waveform: Tensor, generator: torch.Generator) -> Tensor:
        return reverberate(waveform, rooms.draw(generator=generator))

    return _Part("room", step)
