"""Groups of options that several subcommands take, and what they amount to."""

from dataclasses import dataclass
from typing import Any

from lact_modules.cli.option import options
from lact_modules.errors import InputError

_ADAPTATION = {
    "ttt": "method",
    "ttt_loss": "loss",
    "ttt_steps": "steps",
    "ttt_params": "parameters",
    "ttt_optimizer": "optimizer",
    "ttt_lr": "lr",
    "ttt_mode": "mode",
    "ttt_chunk": "chunk_seconds",
}
"""Options of test-time training, and their names in Python."""

_NEEDED = {
    "lm_weight": "lm",
    "word_score": "beam_size",
    "rescore_weight": "rescore",
    "rescore_word_score": "rescore",
    "rescore_lowercase": "rescore",
}
"""Options of the search that change nothing without another one."""


@dataclass(frozen=True)
class Compute:
    """Where a model runs, and how fast."""

    device: options.Device = "auto"
    precision: options.Precision = "fp32"
    compiled: options.Compile = False


@dataclass(frozen=True)
class BeamSearch:
    """The CTC beam search."""

    beam_size: options.BeamSize = 0
    lm: options.LanguageModel = None
    lexicon: options.Lexicon = None
    lm_weight: options.LanguageModelWeight = None
    word_score: options.WordScore = None

    def given(self) -> dict[str, Any]:
        """Return what the user gave, by name."""
        found = options.given(**vars(self))
        for name, needed in _NEEDED.items():
            if name in found and not found.get(needed):
                option, other = (f"--{n.replace('_', '-')}" for n in (name, needed))
                raise InputError(f"{option}: changes nothing without {other}")
        return found


@dataclass(frozen=True)
class StreamSearch(BeamSearch):
    """How text is found in a stream."""

    skip_blanks: options.SkipBlanks = None


@dataclass(frozen=True)
class FileSearch(BeamSearch):
    """How text is found in recordings."""

    search: options.Search = None
    ctc_weight: options.CTCWeight = None
    rescore: options.Rescore = None
    rescore_weight: options.RescoreWeight = None
    rescore_word_score: options.RescoreWordScore = None
    rescore_lowercase: options.RescoreLowercase = None
    num_best: options.NumBest = None
    skip_blanks: options.SkipBlanks = None


@dataclass(frozen=True)
class Streaming:
    """How a stream is divided."""

    chunk: options.StreamChunk = None
    left: options.StreamLeft = None
    silence: options.Silence = None


@dataclass(frozen=True)
class Encoding:
    """How the encoder runs over recordings."""

    exit_block: options.ExitBlock = None
    chunk: options.Chunk = None
    left: options.Left = None


@dataclass(frozen=True)
class Adaptation:
    """Test-time training."""

    ttt: options.TTT = None
    ttt_loss: options.TTTLoss = None
    ttt_steps: options.TTTSteps = None
    ttt_params: options.TTTParameters = None
    ttt_optimizer: options.TTTOptimizer = None
    ttt_lr: options.TTTLearningRate = None

    def given(self) -> dict[str, Any] | None:
        """Return the options as `Transcriber` takes them; None without a method."""
        found = options.given(**{_ADAPTATION[k]: v for k, v in vars(self).items()})
        if "parameters" in found:
            found["parameters"] = tuple(found["parameters"].split(","))
        if found and self.ttt is None:
            raise InputError("--ttt-...: give --ttt METHOD too, such as --ttt lact")
        return found or None


@dataclass(frozen=True)
class FileAdaptation(Adaptation):
    """Test-time training on recordings."""

    ttt_mode: options.TTTMode = None
    ttt_chunk: options.TTTChunk = None


@dataclass(frozen=True)
class StreamAdaptation(Adaptation):
    """Test-time training on a stream."""

    ttt: options.StreamTTT = None
    ttt_chunk: options.TTTChunk = None


def loading_options(
    avg_checkpoints: int | None,
    encoding: Encoding,
    adaptation: FileAdaptation,
    compute: Compute,
) -> dict[str, Any]:
    """Return options of `Transcriber.from_folder`, without its search and device."""
    return {
        "avg_checkpoints": avg_checkpoints,
        "exit_block": encoding.exit_block,
        "ttt": adaptation.given(),
        "compiled": compute.compiled,
        "precision": compute.precision,
        **options.given(chunk_seconds=encoding.chunk, left_seconds=encoding.left),
    }
