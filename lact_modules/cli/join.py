"""``lact-asr join``: long recordings from consecutive utterances."""

from collections.abc import Sequence
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lact_modules.cli.option.transcribed import (
    Data,
    load_utterance,
    read_transcribed,
)
from lact_modules.cli.terminal.output import show_progress
from lact_modules.cli.terminal.tally import Tally
from lact_modules.cli.terminal.worker import start_worker
from lact_modules.errors import InputError
from lact_modules.whole_file import whole_folder

if TYPE_CHECKING:
    from lact_modules.data.long_form.joined_recordings import JoinedRecording
    from lact_modules.data.long_form.joining import Stream
    from lact_modules.data.manifest.manifest import Utterance

MANIFEST_FILE = "manifest.jsonl"


class Group(str, Enum):
    """What the utterances of a joined recording have in common."""

    RECORDING = "recording"
    SPEAKER = "speaker"


def join(
    data: Data,
    out: Annotated[
        Path, typer.Argument(help="New folder for audio and manifest.jsonl.")
    ],
    seconds: Annotated[
        float,
        typer.Option(
            min=0.1, help="Longest duration of a recording in seconds, gaps included."
        ),
    ],
    gap: Annotated[
        float, typer.Option(min=0, help="Silence between utterances in seconds.")
    ] = 0.5,
    by: Annotated[
        Group,
        typer.Option(
            help="recording: join consecutive utterances of a chapter or session; "
            "speaker: join all utterances of a speaker in the manifest's order."
        ),
    ] = Group.RECORDING,
) -> None:
    """Join utterances into long recordings of up to --seconds, each utterance once.

    A longer utterance stays alone. The manifest lists where each part begins.
    """
    from lact_modules.data.manifest.durations import measure_durations
    from lact_modules.data.manifest.manifest import check_ids, write_manifest

    with whole_folder(out) as folder, start_worker() as worker:
        utterances, unusable = read_transcribed(data)
        utterances = measure_durations(list(check_ids(utterances)))
        streams = _plan(utterances, seconds, gap, by)
        tally = Tally(unusable, done="joined")
        joined: list[JoinedRecording] = []
        for stream in show_progress(streams, "Joining", len(streams)):
            joined += worker.submit(_write, folder, stream, gap, tally).result()
        if joined:
            write_manifest(folder / MANIFEST_FILE, check_ids(joined, out))
        tally.report()
        if not joined:
            raise InputError(f"{data}: not one utterance could be read")
    num_long = sum(utterance.duration > seconds for utterance in utterances)
    alone = f"; {num_long} longer than {seconds:g} s stay alone" if num_long else ""
    hours = sum(each.duration for each in joined) / 3600
    typer.echo(
        f"{out}: {len(joined)} recordings, {tally.num_read} utterances, {hours:.2f} h"
        + alone
    )
    if tally.failures:
        raise typer.Exit(2)


def _plan(
    utterances: Sequence["Utterance"], seconds: float, gap: float, by: Group
) -> list["Stream"]:
    from lact_modules.data.long_form.joining import pack
    from lact_modules.data.long_form.reading_order import (
        group_by_recording,
        group_by_speaker,
    )

    group = group_by_recording if by == Group.RECORDING else group_by_speaker
    return [stream for each in group(utterances) for stream in pack(each, seconds, gap)]


def _write(
    folder: Path, stream: "Stream", gap: float, tally: Tally
) -> list["JoinedRecording"]:
    """Write what can be read of a stream, if anything can."""
    from lact_modules.data.audio import SAMPLE_RATE
    from lact_modules.data.long_form.joined_recordings import write_joined
    from lact_modules.inference.files import Outcome

    waveforms = {}
    for utterance in stream:
        try:
            waveforms[utterance] = load_utterance(utterance)
        except InputError as error:
            tally.add(Outcome(utterance, 0.0, error=error))
        else:
            seconds = len(waveforms[utterance]) / SAMPLE_RATE
            tally.add(Outcome(utterance, seconds))
    if not waveforms:
        return []
    return [write_joined(folder, [*waveforms], [*waveforms.values()], gap)]
