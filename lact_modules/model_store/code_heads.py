"""Remove from a trained model what only training needs: heads for codes."""

from typing import Any

from torch import Tensor

from lact_modules.encoders.heads import list_heads, name_of
from lact_modules.encoders.stages import inner_blocks

_PREFIX = "encoder.heads."


def without_code_heads(
    description: Any, weights: dict[str, Tensor]
) -> tuple[Any, dict[str, Tensor]]:
    """Return a description and weights without any `CodeHead`; change neither given."""
    match description:
        case {"arguments": {"encoder": {"arguments": {"heads": dict()} as given}}}:
            encoder = description["arguments"]["encoder"]
        case _:
            return description, weights
    try:
        left, names = _divide(given)
    except (KeyError, TypeError, ValueError):
        # of no model: who builds it says why
        return description, weights
    if None not in names.values():
        return description, weights
    encoder = {**encoder, "arguments": {**given, "heads": left}}
    arguments = {**description["arguments"], "encoder": encoder}
    kept = {
        renamed: value
        for path, value in weights.items()
        if (renamed := _rename(path, names)) is not None
    }
    return {**description, "arguments": arguments}, kept


def _divide(encoder: dict[str, Any]) -> tuple[dict[str, Any], dict[str, str | None]]:
    """Return the heads that stay, and the new name of each; None of those that go."""
    num_layers = encoder["num_layers"]
    is_dynamic = encoder.get("dynamic_chunking") is not None
    on_frames, _ = inner_blocks(encoder.get("block_split"), num_layers, is_dynamic)
    left: dict[str, list[Any]] = {}
    names: dict[str, str | None] = {}
    for block, several in list_heads(encoder["heads"], num_layers, on_frames).items():
        for number, head in enumerate(several, start=1):
            names[name_of(block, number)] = None
            if not _is_code_head(head):
                others = left.setdefault(f"{block}", [])
                others.append(head)
                names[name_of(block, number)] = name_of(block, len(others))
    return left, names


def _rename(path: str, names: dict[str, str | None]) -> str | None:
    """Rename a weight of a head; None: it goes. A router's head has no name here."""
    if not path.startswith(_PREFIX):
        return path
    name, _, inner = path.removeprefix(_PREFIX).partition(".")
    renamed = names.get(name, name)
    return None if renamed is None else f"{_PREFIX}{renamed}.{inner}"


def _is_code_head(head: Any) -> bool:
    path = head.get("partial") or head.get("class") if isinstance(head, dict) else ""
    return str(path).rpartition(".")[2] == "CodeHead"
