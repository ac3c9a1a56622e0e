"""Start training from a trained model, also where the vocabulary is another."""

import logging
import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate
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


def start_from(
    init_from: str | None,
    model: Any,
    vocabulary: AnyVocabulary,
    init_fresh: Sequence[str] = (),
    wav2vec2_model_name: str | None = None,
) -> None:
    """Copy the parameters of a trained model, and of a pretrained front end, if any."""
    if wav2vec2_model_name is not None:
        _load_frontend(model.frontend, wav2vec2_model_name)
    if init_from is None:
        return
    trained = load_model(init_from)
    old, new = trained.vocabulary, vocabulary
    are_alike = type(old) is type(new)
    # a letter of its own and one between pieces are not at the same frames
    tokens = map_tokens(old.tokens if are_alike else [], new.tokens)
    try:
        transfer(trained.model.state_dict(), model, tokens, init_fresh)
    except InputError as error:
        raise InputError(f"init_from {init_from}: {error}") from error
    if if_main_process():
        overlap = _describe(tokens) if are_alike else _describe_units(old, new)
        if init_fresh:
            overlap += f"; not copied, by init_fresh: {', '.join(init_fresh)}"
        logger.info("starts from %s; %s", init_from, overlap)


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
    _check_parts(wanted, source, target)
    for name in wanted:
        _check_size(name, source[name], target[name])
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


def _check_parts(
    names: Sequence[str], source: Mapping[str, Tensor], target: Mapping[str, Tensor]
) -> None:
    """Refuse parameters that one model lacks; the advice leaves out no others."""
    lacking = [name for name in names if (name in source) != (name in target)]
    if not lacking:
        return
    parts = dict.fromkeys(
        _part_beyond(name, target if name in source else source) for name in lacking
    )
    first = lacking[0]
    fault = f"it has no {first!r}, which the new model has"
    if first in source:
        fault = f"it has {first!r}, which the new model lacks"
    raise InputError(
        f"{fault}; give both models the same parts, or "
        f"--init_fresh '[{', '.join(parts)}]'"
    )


def _part_beyond(name: str, others: Iterable[str]) -> str:
    """Return the outermost module on a parameter's path of which `others` has none."""
    there = {step for other in others for step in _steps(other)}
    return next(step for step in _steps(name) if step not in there)


def _steps(path: str) -> Iterable[str]:
    """Return a path's modules from the outermost on, and itself."""
    return accumulate(path.split("."), "{}.{}".format)


def _check_size(name: str, given: Tensor, own: Tensor) -> None:
    """Refuse a parameter of another size, but for its tokens."""
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
    """Describe two models whose tokens are of different kinds."""
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
