"""Options that several subcommands share."""

from pathlib import Path
from typing import Annotated, Any

import typer

from lact_modules.errors import InputError

Model = Annotated[
    Path,
    typer.Option(
        help="Output folder of a training run, an export, or a model's id on the hub.",
        metavar="DIR",
    ),
]
AvgCheckpoints = Annotated[
    int | None,
    typer.Option(
        "--avg-checkpoints",
        min=1,
        help="Of a training run: best checkpoints to average, 1 for the best alone; "
        "else what did better on dev when training ended.",
    ),
]
BatchSize = Annotated[int, typer.Option(min=1, help="Files run together.")]
BeamSize = Annotated[int, typer.Option(min=0, help="Beams of the search; 0: greedy.")]
LanguageModel = Annotated[
    Path | None,
    typer.Option(
        "--lm",
        help="For the beam search. CTC: n-gram of words or characters, ARPA (.gz too) "
        "or KenLM binary; attention: folder of a TransformerLM over the model's "
        "tokens.",
    ),
]
Lexicon = Annotated[
    Path | None,
    typer.Option(
        help="Words the beam search may say, one a line, with spellings or without."
    ),
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
SkipBlanks = Annotated[
    float | None,
    typer.Option(
        "--skip-blanks",
        help="Leave out of the beam search frames that are blank with at least this "
        "probability, such as 0.99.",
        metavar="P",
    ),
]
ExitBlock = Annotated[
    int | None,
    typer.Option(
        "--exit-block",
        min=1,
        help="Early exit: say what the CTC head after this block of the encoder says; "
        "blocks above it are not run.",
    ),
]
Channel = Annotated[
    int | None,
    typer.Option(
        min=0, help="Of files with several, from 0; by default the mean of all."
    ),
]
Device = Annotated[
    str, typer.Option(help="cpu, cuda, cuda:1, ...; auto: CUDA if there is any.")
]
Precision = Annotated[
    str,
    typer.Option(
        help="fp32, or bf16, fp16: of the products in front end and encoder. bf16 pays "
        "on GPUs and on CPUs with AMX, fp16 is for GPUs.",
        metavar="fp32|bf16|fp16",
    ),
]
Compile = Annotated[
    bool,
    typer.Option(
        "--compile",
        help="Compile the model's blocks by torch.compile: takes minutes before the "
        "first result. For GPUs; on CPUs the C++ that runs without it is faster.",
    ),
]
Chunk = Annotated[
    float | None,
    typer.Option(
        "--chunk",
        help="Seconds; hear utterances in chunks, as a stream of this latency. Where "
        "the model hears streams, audio of any length is run piece by piece.",
    ),
]
Left = Annotated[
    float | None,
    typer.Option("--left", help="Seconds before a chunk that attention sees."),
]
StreamChunk = Annotated[
    float | None,
    typer.Option("--chunk", help="Seconds recognized together; 0.64 by default."),
]
StreamLeft = Annotated[
    float | None,
    typer.Option("--left", help="Seconds that attention remembers; 5.12 by default."),
]
Silence = Annotated[
    float | None,
    typer.Option(
        min=0.1, help="Seconds without a word: utterance over; 0.8 by default."
    ),
]
TTT = Annotated[
    str | None,
    typer.Option(
        "--ttt",
        help="Train on each utterance before it is transcribed: lact (fast weights "
        "and input), suta, suta-faithful or tent; on pieces of a recording, by what "
        "the model hears in them: self-train.",
        metavar="METHOD",
    ),
]
StreamTTT = Annotated[
    str | None,
    typer.Option(
        "--ttt",
        help="self-train: learn from pieces of the stream while it is heard.",
        metavar="METHOD",
    ),
]
TTTLoss = Annotated[
    str | None,
    typer.Option(
        "--ttt-loss",
        help="What --ttt minimizes: suta, entropy, masked_prediction, pseudo_labels; "
        "+ joins them.",
    ),
]
TTTSteps = Annotated[
    int | None,
    typer.Option(
        "--ttt-steps", help="Steps of --ttt an utterance, or a piece of a recording."
    ),
]
TTTParameters = Annotated[
    str | None,
    typer.Option(
        "--ttt-params",
        help="What --ttt trains: fast_weights, input, norms, front_end, all; commas "
        "between them.",
    ),
]
TTTOptimizer = Annotated[
    str | None, typer.Option("--ttt-optimizer", help="muon, adamw or sgd.")
]
TTTLearningRate = Annotated[
    float | None, typer.Option("--ttt-lr", help="Learning rate of --ttt.")
]
TTTMode = Annotated[
    str | None,
    typer.Option(
        "--ttt-mode",
        help="episodic: each utterance starts from the model; continual: from where "
        "those before have led; recording: pieces of each file train together.",
    ),
]
TTTChunk = Annotated[
    float | None,
    typer.Option(
        "--ttt-chunk",
        help="Seconds; longer audio is cut, each piece adapted alone, or in turn if of "
        "a recording, where 16 is the default.",
    ),
]


def ttt_options(
    method: str | None,
    loss: str | None,
    steps: int | None,
    parameters: str | None,
    optimizer: str | None,
    lr: float | None,
    mode: str | None,
    chunk: float | None,
) -> dict[str, Any] | None:
    """Give the options of test-time training, as `Transcriber` takes them.

    Arguments
    ---------
    method : str | None
        Its method.
    loss : str | None
        In the place of the method's.
    steps : int | None
        In the place of the method's.
    parameters : str | None
        In the place of the method's, between commas.
    optimizer : str | None
        In the place of the method's.
    lr : float | None
        In the place of the method's.
    mode : str | None
        In the place of the method's.
    chunk : float | None
        Seconds of a piece.

    Returns
    -------
    dict[str, Any] | None
        None without a method.

    Raises
    ------
    InputError
        If there are options of a method and no method.

    Example
    -------
    >>> ttt_options("lact", None, 1, "norms,front_end", None, None, None, None)
    {'method': 'lact', 'steps': 1, 'parameters': ('norms', 'front_end')}
    """
    options = given(
        method=method,
        loss=loss,
        steps=steps,
        parameters=None if parameters is None else tuple(parameters.split(",")),
        optimizer=optimizer,
        lr=lr,
        mode=mode,
        chunk_seconds=chunk,
    )
    if options and method is None:
        raise InputError("--ttt-...: give --ttt METHOD too, such as --ttt lact")
    return options or None


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
