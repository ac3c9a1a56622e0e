"""``lact-asr shard``: tar files of a manifest's utterances, to train from."""

import random
from pathlib import Path
from typing import Annotated

import typer

from lact_modules.cli.terminal.output import show_progress


def shard(
    manifest: Annotated[
        Path, typer.Argument(help="Lists the utterances: .jsonl, .csv, .tsv, ...")
    ],
    out: Annotated[Path, typer.Argument(help="Gets shard-*.tar and shards.json.")],
    size_mb: Annotated[
        float, typer.Option(min=0.1, help="Megabytes that a shard does not exceed.")
    ] = 200.0,
    keep_order: Annotated[
        bool,
        typer.Option(
            "--keep-order", help="Write in the manifest's order, not a random one."
        ),
    ] = False,
) -> None:
    """Write utterances into WebDataset shards, the same bytes each time.

    Training reads a shard from front to end: a random order mixes speakers.
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
