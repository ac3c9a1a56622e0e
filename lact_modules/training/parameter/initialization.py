"""Start training from a trained model, also where the vocabulary is another."""

import logging
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from speechbrain.utils.distributed import if_main_process
from torch import Tensor, nn

from lact_modules.data.text.subwords import AnyVocabulary
from lact_modules.errors import InputError
from lact_modules.frontends import Wav2Vec2Frontend
from lact_modules.frontends.pretrained import load_pretrained
from lact_modules.model_store.loading import load_model
from lact_modules.training.parameter.module_paths import select
from lact_modules.training.vocabulary.units import UNITS

logger = logging.getLogger(__name__)

_TOKEN_AXES = {
    re.compile(r"(encoder\.heads\.\w+\.|decoder\.)?output\.(weight|bias)"): 0,
    re.compile(r"decoder\.embedding\.weight"): 0,
    re.compile(r"encoder\.heads\.\w+\.condition\.weight"): 1,
}
"""Parameters with a row or a column for each token, and which axis that is."""


class TokenMap(NamedTuple):
    """Ids of tokens that two vocabularies share, in each, and tokens of one alone."""

    rows: list[int]
    old_rows: list[int]
    new: list[str]
    dropped: list[str]


def map_tokens(old: Sequence[str], new: Sequence[str]) -> TokenMap:
    """Find the tokens that two vocabularies share.

    Only the same text is the same token: ``a`` is not ``A``, nor is a piece that
    begins a word one that does not.
    """
    ids = {token: index for index, token in enumerate(old)}
    rows = [index for index, token in enumerate(new) if token in ids]
    return TokenMap(
        rows=rows,
        old_rows=[ids[new[index]] for index in rows],
        new=[token for token in new if token not in ids],
        dropped=[token for token in old if token not in set(new)],
    )


def start_from(hparams: Mapping[str, Any], vocabulary: AnyVocabulary) -> None:
    """Copy the parameters of a trained model, if the run starts from one.

    A run that has a checkpoint continues from there instead.
    """
    if hparams["checkpointer"].list_checkpoints():
        return
    if hparams["wav2vec2_model_name"] is not None:
        _load_frontend(hparams["model"].frontend, hparams["wav2vec2_model_name"])
    source = hparams["init_from"]
    if source is None:
        return
    trained = load_model(source)
    old, new = trained.vocabulary, vocabulary
    are_alike = type(old) is type(new)
    # a letter of its own and one between pieces are not at the same frames
    tokens = map_tokens(old.tokens if are_alike else [], new.tokens)
    try:
        transfer(
            trained.model.state_dict(), hparams["model"], tokens, hparams["init_fresh"]
        )
    except InputError as error:
        raise InputError(f"init_from {source}: {error}") from error
    if if_main_process():
        overlap = _describe(tokens) if are_alike else _describe_units(old, new)
        logger.info("starts from %s; %s", source, overlap)


def _load_frontend(frontend: nn.Module, source: str) -> None:
    if not isinstance(frontend, Wav2Vec2Frontend):
        raise InputError(
            f"wav2vec2_model_name {source}: the model has no Wav2Vec2Frontend; take "
            "hybrid_wav2vec2.yaml, or leave the key out"
        )
    load_pretrained(frontend, source)


def transfer(
    source: Mapping[str, Tensor],
    model: nn.Module,
    tokens: TokenMap,
    fresh: Sequence[str] = (),
) -> None:
    """Copy parameters by name; of those with a row a token, rows that are shared.

    Heads of the encoder have columns a token too. Those of new tokens keep the values
    that the model was made with.
    """
    target = model.state_dict()
    names = [*target, *(name for name in source if name not in target)]
    left = {name for each in fresh for name in select(each, names, "init_fresh")}
    wanted = [name for name in names if name not in left]
    for name in wanted:
        _check(name, source.get(name), target.get(name))
    for name in wanted:
        # shares its memory with the model's parameter
        own, given = target[name], source[name].to(target[name].device)
        axis = _token_axis(name)
        if axis is not None:
            by_token = given.movedim(axis, 0)
            own.movedim(axis, 0)[tokens.rows] = by_token[tokens.old_rows]
        else:
            own.copy_(given)


def _token_axis(name: str) -> int | None:
    """Find along which axis of a parameter there are tokens, if along any."""
    found = (axis for form, axis in _TOKEN_AXES.items() if form.fullmatch(name))
    return next(found, None)


def _check(name: str, given: Tensor | None, own: Tensor | None) -> None:
    """Refuse parameters that one model lacks, or that have another size."""
    module = name.partition(".")[0]
    advice = f"give both models the same parts, or --init_fresh '[{module}]'"
    if given is None:
        raise InputError(f"it has no {name!r}, which the new model has; {advice}")
    if own is None:
        raise InputError(f"it has {name!r}, which the new model lacks; {advice}")
    axis = _token_axis(name)
    sizes = [
        [size for i, size in enumerate(tensor.shape) if i != axis]
        for tensor in (given, own)
    ]
    if sizes[0] != sizes[1]:
        raise InputError(
            f"its {name!r} is {tuple(given.shape)} and the new model's "
            f"{tuple(own.shape)}; give the new model the sizes of the old"
        )


def _describe_units(old: AnyVocabulary, new: AnyVocabulary) -> str:
    """Say that two models have tokens of other kinds."""
    names = {kind: units for units, (kind, _) in UNITS.items()}
    return (
        f"its {len(old)} tokens are {names[type(old)]}, the new model's {len(new)} are "
        f"{names[type(new)]}: output layers start fresh, all else is copied"
    )


def _describe(tokens: TokenMap) -> str:
    """Sum up what became of the tokens."""
    parts = [f"of its tokens {len(tokens.rows)} are shared"]
    for kind, found in ("new", tokens.new), ("dropped", tokens.dropped):
        listed = " ".join(found[:20]) + (" ..." if len(found) > 20 else "")
        parts.append(f"{len(found)} {kind}" + (f" ({listed})" if found else ""))
    text = ", ".join(parts)
    other_case = {token.swapcase() for token in tokens.dropped} & {*tokens.new}
    if other_case:
        text += f"; {len(other_case)} differ in case alone and start fresh"
    return text
