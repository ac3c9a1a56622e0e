"""Choose and build the search that a user asks for, for any trained model."""

from pathlib import Path
from typing import Any

import torch

from lact_modules.data.text.subwords import SubwordVocabulary
from lact_modules.decoding.attention import AttentionDecoder
from lact_modules.decoding.ctc import build_decoder
from lact_modules.decoding.numbers import MAX_BEAM, check_number
from lact_modules.decoding.rescore import Decoder, Rescorer, RescoringDecoder
from lact_modules.decoding.search.fit import check_rescoring
from lact_modules.encoders import S2SModel
from lact_modules.errors import InputError
from lact_modules.language_model.loading import load_language_model
from lact_modules.language_model.token_model import TokenModel
from lact_modules.model_store.trained_model import TrainedModel

_SEARCHES = ("auto", "ctc", "attention")

# What else than the beam size a search takes.
_CTC_OPTIONS = ("lm", "lexicon", "lm_weight", "word_score", "num_best", "skip_blanks")
_ATTENTION_OPTIONS = (
    *("lm", "lm_weight", "ctc_weight", "max_ratio", "num_best", "skip_blanks"),
)

# What belongs to the language model alone.
_LM_OPTIONS = ("lm", "lm_weight", "word_score")


def build_search(
    trained: TrainedModel,
    *,
    search: str = "auto",
    beam_size: int = 0,
    num_best: int | None = None,
    rescore: str | Path | None = None,
    rescore_weight: float = 0.5,
    rescore_word_score: float = 0.0,
    rescore_lowercase: bool | None = None,
    device: str | torch.device = "cpu",
    **options: Any,
) -> Decoder:
    """Build a decoder; keys of the recipes' ``decoding`` are these arguments.

    Options that are None have the search's own defaults.

    Arguments
    ---------
    trained : TrainedModel
        The model and its vocabulary.
    search : str
        ``ctc`` or ``attention``; ``auto`` is attention if the model has a decoder.
    beam_size : int
        Hypotheses to keep; 0 and 1 mean greedy decoding.
    num_best : int | None
        Different texts to find; if None, `beam_size` for rescoring, else 1.
    rescore : str | Path | None
        Language model that ranks these texts again, see
        :func:`~lact_modules.language_model.loading.load_language_model`.
    rescore_weight : float
        Weight of its natural log-probabilities.
    rescore_word_score : float
        Added for each word in rescoring.
    rescore_lowercase : bool | None
        Whether a causal model of transformers reads the texts in lower case; if
        None, it does where the vocabulary has no lower case.
    device : str | torch.device
        Where Transformer language models run.
    **options : Any
        ``lm``, ``lm_weight``, ``skip_blanks`` of both; ``lexicon``, ``word_score`` of
        :class:`~lact_modules.decoding.ctc.BeamDecoder`; ``ctc_weight``, ``max_ratio``
        of the attention search. `lm` is an n-gram for CTC, and a TransformerLM over
        the model's own tokens for attention.

    Returns
    -------
    Decoder
        Called with the model's outputs, spread; has ``n_best`` if it searches.

    Raises
    ------
    InputError
        If a path is missing, options do not fit the model or each other, a number is
        out of its range, or a language model does not serve.
    """
    given = {name: value for name, value in options.items() if value is not None}
    check_number("beam_size", beam_size, 0, MAX_BEAM, whole=True)
    if beam_size < 2:
        _require_no_search(given, rescore=rescore, num_best=num_best)
    elif num_best is not None or rescore is not None:
        given["num_best"] = num_best or beam_size
    decoder = _build_first_pass(trained, search, beam_size, device, given)
    if rescore is None:
        return decoder
    if Path(rescore).is_file():
        words = getattr(decoder, "words", None)
        check_rescoring(rescore, trained.vocabulary, words)
    if rescore_lowercase is None:
        rescore_lowercase = _is_without_lower_case(trained)
    lm = load_language_model(rescore, device, rescore_lowercase)
    return RescoringDecoder(decoder, Rescorer(lm, rescore_weight, rescore_word_score))


def decoding_steps(
    trained: TrainedModel,
    *,
    every: bool = True,
    beam_size: int = 0,
    num_best: int | None = None,
    rescore: str | Path | None = None,
    **decoding: Any,
) -> dict[str, Decoder]:
    """Build the decoders up to the requested search, each with one part more.

    Their names are ``greedy``; with a beam ``beam``, ``beam+lm`` (n-gram) or
    ``beam+tlm`` (Transformer); ``rescored``. Without ``every``, only the greedy and the
    last are built.
    """
    if rescore is not None:
        num_best = num_best or beam_size
    searching = {**decoding, "beam_size": beam_size, "num_best": num_best}
    last = build_search(trained, rescore=rescore, **searching)
    if beam_size < 2:
        return {"greedy": last}
    first_pass = last.decoder if isinstance(last, RescoringDecoder) else last
    name = "beam"
    steps = {"greedy": build_search(trained, search=decoding.get("search", "auto"))}
    if decoding.get("lm") is not None:
        if every:
            plain = {k: v for k, v in searching.items() if k not in _LM_OPTIONS}
            steps["beam"] = build_search(trained, **plain)
        name = "beam+lm" if Path(decoding["lm"]).is_file() else "beam+tlm"
    if every or rescore is None:
        steps[name] = first_pass
    if rescore is not None:
        steps["rescored"] = last
    return steps


def uses_attention(trained: TrainedModel, search: str = "auto") -> bool:
    """Return whether a model is decoded by attention search rather than by CTC."""
    if search not in _SEARCHES:
        raise InputError(f"search {search!r}: choose one of {', '.join(_SEARCHES)}")
    has_decoder = isinstance(trained.model, S2SModel)
    if search == "attention" and not has_decoder:
        raise InputError("search 'attention': the model has no decoder; use 'ctc'")
    return has_decoder and search != "ctc"


def _require_no_search(given: dict[str, Any], **options: Any) -> None:
    for name in ("lm", "lexicon", "skip_blanks"):
        options[name] = given.get(name)
    for name, value in options.items():
        if value is not None:
            raise InputError(
                f"{name} {value}: needs beam search; give a beam size above 1"
            )


def _build_first_pass(
    trained: TrainedModel,
    search: str,
    beam_size: int,
    device: str | torch.device,
    options: dict[str, Any],
) -> Decoder:
    with_attention = uses_attention(trained, search)
    for name in options:
        if name not in (_ATTENTION_OPTIONS if with_attention else _CTC_OPTIONS):
            kind = "attention" if with_attention else "CTC"
            raise InputError(f"{name}: not an option of the {kind} search; omit it")
    if with_attention:
        return _build_attention_search(trained, beam_size, device, options)
    lm = options.get("lm")
    if lm is not None and Path(lm).is_dir():
        raise InputError(
            f"{lm}: the CTC search takes an n-gram file; rescore with this one"
        )
    return build_decoder(
        trained.vocabulary, trained.model.frame_rate, beam_size=beam_size, **options
    )


def _build_attention_search(
    trained: TrainedModel,
    beam_size: int,
    device: str | torch.device,
    options: dict[str, Any],
) -> Decoder:
    model, vocabulary = trained.model, trained.vocabulary
    assert isinstance(model, S2SModel)
    if not isinstance(vocabulary, SubwordVocabulary):
        raise InputError(
            "search 'attention': the model's tokens are characters, which do not begin "
            "and end texts; use 'ctc'"
        )
    path = options.get("lm")
    if path is not None:
        options = {**options, "lm": _load_fusion_model(path, vocabulary, device)}
    return AttentionDecoder(model, vocabulary, beam_size=max(beam_size, 1), **options)


def _load_fusion_model(
    path: str | Path, vocabulary: SubwordVocabulary, device: str | torch.device
) -> TokenModel:
    # imports SpeechBrain, which takes seconds
    from lact_modules.language_model.transformer_lm import TransformerLanguageModel
    from lact_modules.language_model.transformer_lm_steps import by_token

    lm = load_language_model(path, device)
    if not isinstance(lm, TransformerLanguageModel):
        raise InputError(
            f"{path}: the attention search takes a TransformerLM over the model's "
            "tokens; rescore with this one"
        )
    if lm.vocabulary != vocabulary:
        raise InputError(
            f"{path}: its tokenizer is not the model's; train it with the model's "
            f"{vocabulary.file_name}, or rescore with it"
        )
    return by_token(lm.model)


def _is_without_lower_case(trained: TrainedModel) -> bool:
    return not any(
        token.islower()
        for token in trained.vocabulary.tokens
        # <blank>, <s>, ...
        if not (token.startswith("<") and token.endswith(">"))
    )
