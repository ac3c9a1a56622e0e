"""What ``lact-asr doctor`` checks of data."""

import random
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from lact_modules.cli.checks import Finding
from lact_modules.errors import InputError

if TYPE_CHECKING:
    from lact_modules.data.manifest.manifest import Utterance


SAMPLE_SIZE = 50
"""Audio files of a split that are decoded."""


def check_data(data: Path, model: Path | None = None) -> Iterator[Finding]:
    """Check the splits of a corpus, and whether a model's vocabulary covers them.

    ``data`` is a manifest, or a folder with splits in LibriSpeech's layout at any
    depth.
    """
    try:
        splits = _read_splits(data)
    except (InputError, UnicodeDecodeError) as error:
        yield Finding("data", "fail", str(error), "see the recipe's README")
        return
    characters: set[str] = set()
    for split, utterances in sorted(splits.items()):
        characters.update(*(utterance.text for utterance in utterances))
        yield _check_split(split, utterances)
    yield _check_characters(characters, model)


def _read_splits(data: Path) -> dict[str, list["Utterance"]]:
    from lact_modules.data.corpus.split_folder import (
        is_transcript_file,
        read_transcript_file,
    )
    from lact_modules.data.manifest.manifest import (
        Utterance,
        manifest_name,
        read_manifest,
    )
    from lact_modules.data.source.collect import AUDIO_SUFFIXES
    from lact_modules.data.source.file_tree import Siblings, find_files

    if not data.is_dir():
        return {manifest_name(data): read_manifest(data)}
    splits: dict[str, list[Utterance]] = {}
    files = find_files(data.resolve())
    audio = Siblings(files)
    for transcripts in filter(is_transcript_file, files):
        split = splits.setdefault(transcripts.parents[2].name, [])
        for name, text in read_transcript_file(transcripts):
            stem = transcripts.parent / name
            path = audio.find(stem, AUDIO_SUFFIXES) or stem
            split.append(Utterance(name, str(path), text, 0.0))
    if not any(splits.values()):
        raise InputError(
            f"{data}: no transcripts; expected "
            "<split>/<speaker>/<chapter>/*.trans.txt with audio beside them"
        )
    return splits


def _check_split(split: str, utterances: list["Utterance"]) -> Finding:
    from lact_modules.cli.option.transcribed import load_utterance

    sample = random.Random(0).sample(utterances, min(SAMPLE_SIZE, len(utterances)))
    faults = []
    for utterance in sample:
        try:
            load_utterance(utterance)
        except InputError as error:
            faults.append(str(error))
    detail = f"{len(utterances)} utterances"
    if faults:
        detail += f", {len(faults)} of {len(sample)} tried unusable: {faults[0]}"
        return Finding(
            split, "fail", detail, "repair or remove them; training skips them"
        )
    return Finding(split, "ok", f"{detail}, {len(sample)} tried")


def _check_characters(characters: set[str], model: Path | None) -> Finding:
    from lact_modules.model_store.trained_model import load_vocabulary

    spelled = "".join(sorted(characters - {" "}))
    if model is not None:
        try:
            vocabulary = load_vocabulary(model)
        except InputError as error:
            return Finding(
                "characters", "fail", str(error), "copy it from the training"
            )
        if unknown := "".join(sorted(vocabulary.unknown(spelled))):
            advice = "clean the transcripts as those of the training were"
            return Finding(
                "characters", "fail", f"unknown to the model: {unknown}", advice
            )
    if spelled not in (spelled.upper(), spelled.lower()):
        advice = "use one case, unless capitals are to be recognized"
        return Finding("characters", "warn", f"mixed case: {spelled}", advice)
    return Finding("characters", "ok", f"{len(spelled)}: {spelled}")
