"""Options that several subcommands share."""

from pathlib import Path
from typing import Annotated, Any

import typer

Model = Annotated[
    Path,
    typer.Option(
        help="Output folder of a training run, an export, or a model's id on the hub.",
        metavar="DIR",
    ),
]
BatchSize = Annotated[int, typer.Option(min=1, help="Files run together.")]
BeamSize = Annotated[int, typer.Option(min=0, help="Beams of the search; 0: greedy.")]
LanguageModel = Annotated[
    Path | None,
    typer.Option(
        "--lm",
        help="For the beam search. CTC: n-gram, ARPA or KenLM binary; attention: "
        "folder of a TransformerLM over the model's tokens.",
    ),
]
Lexicon = Annotated[
    Path | None, typer.Option(help="Words the beam search may spell, with spellings.")
]
LanguageModelWeight = Annotated[
    float | None, typer.Option("--lm-weight", help="Weight of the language model.")
]
WordScore = Annotated[
    float | None, typer.Option(help="Added for each word in the beam search.")
]
Search = Annotated[
    str | None,
    typer.Option(help="ctc or attention; auto: attention if the model has a decoder."),
]
CTCWeight = Annotated[
    float | None,
    typer.Option("--ctc-weight", help="Weight of CTC in the attention search."),
]
Rescore = Annotated[
    Path | None,
    typer.Option(
        help="Language model to rank the beam search's texts again: n-gram, or folder "
        "of a TransformerLM or of any causal model in transformers' format."
    ),
]
RescoreWeight = Annotated[
    float | None, typer.Option(help="Weight of log-probabilities in rescoring.")
]
RescoreWordScore = Annotated[
    float | None, typer.Option(help="Added for each word in rescoring.")
]
RescoreLowercase = Annotated[
    bool | None,
    typer.Option(
        help="Whether a model in transformers' format reads lower case; "
        "by default if transcripts are in upper case."
    ),
]
NumBest = Annotated[
    int | None,
    typer.Option(min=1, help="Texts of an utterance to rank; as many as beams."),
]
Device = Annotated[
    str, typer.Option(help="cpu, cuda, cuda:1, ...; auto: CUDA if there is any.")
]


def given(**options: Any) -> dict[str, Any]:
    """Keep the options that the user gave; what runs has the others' defaults.

    Arguments
    ---------
    **options : Any
        By name, None if not given.

    Returns
    -------
    dict[str, Any]
        Those that are not None.

    Example
    -------
    >>> given(beam_size=50, lm=None)
    {'beam_size': 50}
    """
    return {name: value for name, value in options.items() if value is not None}
