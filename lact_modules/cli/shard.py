"""``lact-asr shard``: tar files of a manifest's utterances for training."""

import random
from pathlib import Path
from typing import Annotated

import typer

from lact_modules.cli.terminal.output import show_progress


def shard(
    manifest: Annotated[
        Path, typer.Argument(help="Manifest of the utterances: .jsonl, .csv, .tsv, ...")
    ],
    out: Annotated[
        Path, typer.Argument(help="Folder for shard-*.tar and shards.json.")
    ],
    size_mb: Annotated[
        float, typer.Option(min=0.1, help="Largest size of a shard in megabytes.")
    ] = 200.0,
    keep_order: Annotated[
        bool,
        typer.Option(
            "--keep-order", help="Keep the manifest's order instead of shuffling."
        ),
    ] = False,
) -> None:
    """Write utterances into WebDataset shards, reproducible to the byte.

    Training reads each shard from front to end: shuffling mixes speakers.
    """
    from lact_modules.data.manifest.durations import measure_durations
    from lact_modules.data.manifest.manifest import read_manifest
    from lact_modules.data.shard.writer import write_shards

    utterances = measure_durations(read_manifest(manifest))
    if not keep_order:
        random.Random(0).shuffle(utterances)
    progress = show_progress(utterances, "Writing shards", len(utterances))
    shards = write_shards(out, progress, max_bytes=round(size_mb * 1e6))
    hours = sum(shard.seconds for shard in shards) / 3600
    megabytes = sum(shard.size for shard in shards) / 1e6
    typer.echo(
        f"{out}: {len(shards)} shards, {len(utterances)} utterances, {hours:.2f} h, "
        f"{megabytes:.1f} MB"
    )
