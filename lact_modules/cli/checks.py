"""What ``lact-asr doctor`` checks: each function answers with its findings."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from platform import python_version
from typing import TYPE_CHECKING, Literal

from lact_modules import user_folders
from lact_modules.errors import InputError
from lact_modules.packages import torchaudio_that_fits

if TYPE_CHECKING:
    pass

DISTRIBUTION = "lact-asr"
MIN_FREE_GB = 5.0


@dataclass(frozen=True)
class Finding:
    """What one check found, and what to do about it.

    The status is ``fail`` if something will not work, ``warn`` if it may matter.
    """

    subject: str
    status: Literal["ok", "warn", "fail"]
    detail: str
    advice: str = ""


def check_environment() -> Iterator[Finding]:
    """Check packages, hardware, audio, decoder, disk and caches.

    Each is a finding, and so is each package at fault.
    """
    yield from _check_packages()
    yield _check_torch()
    yield _check_torchaudio()
    yield _check_audio()
    yield _check_decoder()
    yield _check_espeak()
    yield _check_disk()
    yield _check_caches()


def _check_packages() -> Iterator[Finding]:
    from packaging.requirements import Requirement
    from packaging.specifiers import SpecifierSet

    python = SpecifierSet(metadata.metadata(DISTRIBUTION)["Requires-Python"])
    if python_version() in python:
        yield Finding("Python", "ok", python_version())
    else:
        yield Finding("Python", "fail", python_version(), f"use Python {python}")
    requirements = [
        requirement
        for requirement in map(Requirement, metadata.requires(DISTRIBUTION) or ())
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""})
    ]
    misfits = []
    for requirement in requirements:
        try:
            version = metadata.version(requirement.name)
        except metadata.PackageNotFoundError:
            version = ""
        if not (version and requirement.specifier.contains(version)):
            advice = f"pip install '{requirement.name}{requirement.specifier}'"
            found = version or "not installed"
            misfits.append(Finding(requirement.name, "fail", found, advice))
    yield from misfits
    if not misfits:
        detail = f"{len(requirements)} in the ranges that were tried"
        yield Finding("packages", "ok", detail)


def _check_torch() -> Finding:
    import torch

    gpus = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    detail = f"{torch.get_num_threads()} threads, GPU: {', '.join(gpus) or 'none'}"
    return Finding("torch", "ok", detail)


def _check_torchaudio() -> Finding:
    try:
        import torchaudio
    except (ImportError, OSError, RuntimeError) as error:
        fitting = torchaudio_that_fits() or "torchaudio"
        advice = f"pip install --force-reinstall '{fitting}'"
        return Finding("torchaudio", "fail", str(error), advice)
    return Finding("torchaudio", "ok", torchaudio.__version__)


def _check_audio() -> Finding:
    import av
    import numpy
    import soundfile

    from lact_modules.data.audio import load_audio

    formats = {"flac": ("FLAC", None), "opus": ("OGG", "OPUS"), "mp3": ("MP3", None)}
    samples = numpy.sin(numpy.arange(16000) / 10).astype(numpy.float32) / 2
    failed = []
    with tempfile.TemporaryDirectory() as folder:
        for suffix, (container, codec) in formats.items():
            path = Path(folder) / f"tone.{suffix}"
            try:
                soundfile.write(path, samples, 16000, format=container, subtype=codec)
                load_audio(path)
            except (soundfile.LibsndfileError, ValueError):
                failed.append(suffix)
    version = f"libsndfile {soundfile.__libsndfile_version__}, PyAV {av.__version__}"
    if failed:
        advice = "pip install --force-reinstall soundfile av"
        return Finding("audio", "fail", f"{version}: no {', '.join(failed)}", advice)
    return Finding("audio", "ok", f"{version}: {', '.join(formats)}")


def _check_decoder() -> Finding:
    try:
        from flashlight.lib.text.decoder.kenlm import KenLM  # noqa: F401
    except ImportError as error:
        advice = "on Python 3.13 see docs/installation.md; else greedy decoding is left"
        return Finding("beam search", "warn", str(error), advice)
    return Finding("beam search", "ok", "flashlight with KenLM")


def _check_espeak() -> Finding:
    try:
        import espeakng_loader

        espeakng_loader.load_library()
    except (ImportError, OSError) as error:
        advice = f"for lact-asr synth: pip install '{DISTRIBUTION}[demo]'"
        return Finding("espeak", "warn", str(error), advice)
    return Finding("espeak", "ok", "can speak the demonstration corpus")


def _check_disk() -> Finding:
    free = shutil.disk_usage(".").free / 1e9
    detail = f"{free:.1f} GB free in this folder"
    if free < MIN_FREE_GB:
        return Finding("disk", "warn", detail, "checkpoints and corpora need room")
    return Finding("disk", "ok", detail)


def _check_caches() -> Finding:
    """Check the folders that libraries write to; containers often lack a home."""
    from huggingface_hub.constants import HF_HUB_CACHE

    from lact_modules.ops.cpu.native import cache_folder

    folders = {"HF_HOME": Path(HF_HUB_CACHE), "TORCH_HOME": cache_folder()}
    for name in user_folders.VARIABLES:
        if folder := os.environ.get(name):
            folders[name] = Path(folder)
    refused = {
        name: folder for name, folder in folders.items() if not _is_writable(folder)
    }
    if refused:
        detail = f"cannot be written: {', '.join(map(str, refused.values()))}"
        return Finding(
            "caches", "warn", detail, f"point {', '.join(refused)} to other folders"
        )
    return Finding("caches", "ok", ", ".join(map(str, folders.values())))


def _is_writable(folder: Path) -> bool:
    existing = next(each for each in (folder, *folder.parents) if each.exists())
    return existing.is_dir() and os.access(existing, os.W_OK | os.X_OK)


def check_model(model: Path) -> Finding:
    """Check that a run or an export can be loaded to transcribe with."""
    from lact_modules.inference.transcriber import Transcriber

    try:
        transcriber = Transcriber.from_folder(model)
    except InputError as error:
        return Finding("model", "fail", str(error), "name a run folder or an export")
    parameters = sum(each.numel() for each in transcriber.model.parameters())
    return Finding("model", "ok", f"{parameters / 1e6:.1f} M parameters")
