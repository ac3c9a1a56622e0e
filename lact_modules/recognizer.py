"""Speech recognition in Python: load a model, and transcribe audio."""

from pathlib import Path
from typing import Any

from lact_modules.inference.precision import Precision
from lact_modules.inference.recognizer import Recognizer
from lact_modules.inference.transcriber import Transcriber
from lact_modules.inference.transcripts import TimedWord, Transcript

__all__ = ["Recognizer", "TimedWord", "Transcript", "load"]

# options that the search of a stream takes, too
_STREAM_OPTIONS = (
    *("beam_size", "lm", "lexicon", "lm_weight", "word_score", "skip_blanks"),
)


def load(
    model: str | Path,
    *,
    device: str = "auto",
    precision: Precision = "fp32",
    beam_size: int = 0,
    lm: str | Path | None = None,
    **options: Any,
) -> Recognizer:
    """Load a model, to transcribe as ``lact-asr transcribe`` does with these options.

    Arguments
    ---------
    model : str | Path
        Output folder of a training run, an export, or a model's id on the Hugging Face
        hub, ``organization/name``. No code that comes with it is run.
    device : str
        ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ...; ``"auto"`` is CUDA if available.
    precision : Precision
        ``"fp32"``, ``"bf16"`` or ``"fp16"``.
    beam_size : int
        Beam size of the search; 0 is greedy.
    lm : str | Path | None
        Language model of the beam search: for CTC an n-gram (ARPA or KenLM).
    **options : Any
        Others of ``lact-asr transcribe``: of
        :class:`~lact_modules.inference.transcriber.Transcriber` and its `from_folder`
        (``chunk_seconds``, ``avg_checkpoints``, ...), and of
        :func:`~lact_modules.inference.decoders.build_search` (``lm_weight``,
        ``lexicon``, ``rescore``, ...).

    Returns
    -------
    Recognizer
        Ready to transcribe.

    Raises
    ------
    InputError
        If there is no model, it is damaged, or an option does not fit it.
    """
    decoding = {"beam_size": beam_size, "lm": lm, **options}
    transcriber = Transcriber.from_folder(
        model, device, precision=precision, **decoding
    )
    names = (*_STREAM_OPTIONS, "chunk_seconds", "left_seconds", "ttt")
    given = {name: decoding[name] for name in names if decoding.get(name) is not None}
    return Recognizer(transcriber, {"precision": precision, **given})
