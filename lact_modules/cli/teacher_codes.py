"""``lact-asr teacher-codes``: training targets from a pretrained model."""

from pathlib import Path
from typing import Annotated

import typer

from lact_modules.cli.terminal.output import make_folder, show_progress


def teacher_codes(
    manifests: Annotated[
        list[Path],
        typer.Argument(help="Manifests of the training data: .jsonl, .csv, .tsv, ..."),
    ],
    teacher: Annotated[
        Path,
        typer.Option(
            help="Folder of a wav2vec 2.0, HuBERT or WavLM model of transformers."
        ),
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="File for the codes, .npz.")
    ],
    layer: Annotated[
        int,
        typer.Option(min=1, help="Layer of the teacher, from 1; a middle one is best."),
    ] = 6,
    codes: Annotated[int, typer.Option(min=2, help="Number of clusters.")] = 500,
    device: Annotated[str, typer.Option(help="cpu, cuda, or cuda:N.")] = "cpu",
) -> None:
    """Cluster the frames of a teacher's layer as targets of a CodeHead.

    If interrupted, run it again to continue.
    """
    from lact_modules.data.manifest.durations import measure_durations
    from lact_modules.data.manifest.manifest import check_ids, read_manifest
    from lact_modules.inference.device import find_device
    from lact_modules.integrations.teacher import Teacher
    from lact_modules.integrations.teacher_codes import compute_codes

    make_folder(output)
    listed = (u for path in manifests for u in read_manifest(path))
    utterances = measure_durations([*check_ids(listed)])
    model = Teacher(teacher, layer, str(find_device(device)))
    about = f"{teacher.resolve()} layer {layer}"
    compute_codes(utterances, model.frames, codes, output, about, show_progress)
    rate = 16000 / model.hop
    typer.echo(
        f"{output}: {len(utterances)} utterances, {codes} codes at {rate:g} per "
        f"second; train with: --teacher_codes {output}"
    )
