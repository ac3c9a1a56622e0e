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
AvgCheckpoints = Annotated[
    int | None,
    typer.Option(
        "--avg-checkpoints",
        min=1,
        help="Number of best checkpoints of a training run to average; 1: the best "
        "alone. Default: what did better on dev when training ended.",
    ),
]
BatchSize = Annotated[int, typer.Option(min=1, help="Number of files in a batch.")]
BeamSize = Annotated[
    int, typer.Option(min=0, help="Beam size of the search; 0: greedy.")
]
LanguageModel = Annotated[
    Path | None,
    typer.Option(
        "--lm",
        help="Language model of the beam search. CTC: n-gram of words or characters, "
        "ARPA (.gz too) or KenLM binary; attention: folder of a TransformerLM over "
        "the model's tokens.",
    ),
]
Lexicon = Annotated[
    Path | None,
    typer.Option(
        help="Words that the beam search may output, one per line, with or without "
        "spellings."
    ),
]
LanguageModelWeight = Annotated[
    float | None, typer.Option("--lm-weight", help="Weight of the language model.")
]
WordScore = Annotated[
    float | None, typer.Option(help="Score added per word in the beam search.")
]
Search = Annotated[
    str | None,
    typer.Option(help="ctc, attention, or auto: attention if the model has a decoder."),
]
CTCWeight = Annotated[
    float | None,
    typer.Option("--ctc-weight", help="Weight of CTC in the attention search."),
]
Rescore = Annotated[
    Path | None,
    typer.Option(
        help="Language model to rescore the beam search's hypotheses: n-gram, or "
        "folder of a TransformerLM or of any causal model in transformers' format."
    ),
]
RescoreWeight = Annotated[
    float | None, typer.Option(help="Weight of the language model in rescoring.")
]
RescoreWordScore = Annotated[
    float | None, typer.Option(help="Score added per word in rescoring.")
]
RescoreLowercase = Annotated[
    bool | None,
    typer.Option(
        help="Whether to lowercase text for a language model in transformers' format; "
        "by default if transcripts are in upper case."
    ),
]
NumBest = Annotated[
    int | None,
    typer.Option(min=1, help="Hypotheses to rescore; by default the beam size."),
]
SkipBlanks = Annotated[
    float | None,
    typer.Option(
        "--skip-blanks",
        help="Skip frames in the beam search whose blank probability is at least this, "
        "such as 0.99.",
        metavar="P",
    ),
]
ExitBlock = Annotated[
    int | None,
    typer.Option(
        "--exit-block",
        min=1,
        help="Early exit: use the output of the CTC head after this encoder block and "
        "do not run the blocks above it.",
    ),
]
Channel = Annotated[
    int | None,
    typer.Option(
        min=0,
        help="Channel of multi-channel files, from 0; by default the mean.",
    ),
]
Device = Annotated[
    str, typer.Option(help="cpu, cuda, cuda:1, ...; auto: CUDA if available.")
]
Precision = Annotated[
    str,
    typer.Option(
        help="Precision of matrix products in front end and encoder. bf16 is faster on "
        "GPUs and on CPUs with AMX; fp16 is for GPUs.",
        metavar="fp32|bf16|fp16",
    ),
]
Compile = Annotated[
    bool,
    typer.Option(
        "--compile",
        help="Compile the model's blocks with torch.compile, which takes minutes at "
        "first. For GPUs; on CPUs the C++ kernels used without it are faster.",
    ),
]
Chunk = Annotated[
    float | None,
    typer.Option(
        "--chunk",
        help="Chunk size in seconds: recognize audio in chunks, as a stream with this "
        "algorithmic latency. A streaming model takes audio of any length so.",
    ),
]
Left = Annotated[
    float | None,
    typer.Option("--left", help="Left context of attention in seconds."),
]
StreamChunk = Annotated[
    float | None,
    typer.Option("--chunk", help="Chunk size in seconds; 0.64 by default."),
]
StreamLeft = Annotated[
    float | None,
    typer.Option("--left", help="Left context in seconds; 5.12 by default."),
]
Silence = Annotated[
    float | None,
    typer.Option(
        min=0.1, help="Seconds without a word that end an utterance; 0.8 by default."
    ),
]
TTT = Annotated[
    str | None,
    typer.Option(
        "--ttt",
        help="Test-time training. On each utterance before it is transcribed: lact "
        "(fast weights and input), suta, suta-faithful or tent. On the pieces of each "
        "recording: self-train, or noisy-student (its hypotheses are the labels).",
        metavar="METHOD",
    ),
]
StreamTTT = Annotated[
    str | None,
    typer.Option(
        "--ttt",
        help="Test-time training: self-train, or noisy-student, learns from pieces of "
        "the stream while it is recognized.",
        metavar="METHOD",
    ),
]
TTTLoss = Annotated[
    str | None,
    typer.Option(
        "--ttt-loss",
        help="Loss of --ttt: suta, entropy, masked_prediction, pseudo_labels, or a sum "
        "of several joined by +.",
    ),
]
TTTSteps = Annotated[
    int | None,
    typer.Option(
        "--ttt-steps", help="Steps of --ttt per utterance or piece of a recording."
    ),
]
TTTParameters = Annotated[
    str | None,
    typer.Option(
        "--ttt-params",
        help="Parameters that --ttt trains, separated by commas: fast_weights, input, "
        "norms, front_end, all.",
    ),
]
TTTOptimizer = Annotated[
    str | None,
    typer.Option("--ttt-optimizer", help="Optimizer of --ttt: muon, adamw or sgd."),
]
TTTLearningRate = Annotated[
    float | None, typer.Option("--ttt-lr", help="Learning rate of --ttt.")
]
TTTMode = Annotated[
    str | None,
    typer.Option(
        "--ttt-mode",
        help="episodic: each utterance starts from the trained model; continual: from "
        "the weights after the previous one; recording: pieces of each file train "
        "together.",
    ),
]
TTTChunk = Annotated[
    float | None,
    typer.Option(
        "--ttt-chunk",
        help="Longest piece in seconds: longer audio is cut and each piece adapted "
        "alone, or, in a recording, in turn (16 s by default).",
    ),
]


def given(**options: Any) -> dict[str, Any]:
    """Keep the options that the user gave; what runs has the others' defaults."""
    return {name: value for name, value in options.items() if value is not None}
