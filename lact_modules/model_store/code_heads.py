"""Remove from a trained model what only training needs: heads for codes."""

from typing import Any

from torch import Tensor

from lact_modules.encoders.heads import list_heads, name_of

_PREFIX = "encoder.heads."


def without_code_heads(
    description: Any, weights: dict[str, Tensor]
) -> tuple[Any, dict[str, Tensor]]:
    """Return a description and weights without any `CodeHead`; change neither given."""
    match description:
        case {"arguments": {"encoder": {"arguments": {"heads": dict(heads)}}}}:
            encoder = description["arguments"]["encoder"]
        case _:
            return description, weights
    left: dict[str, list[Any]] = {}
    names: dict[str, str] = {}
    num_layers = encoder["arguments"]["num_layers"]
    for block, several in list_heads(heads, num_layers).items():
        for number, head in enumerate(several, start=1):
            if not _is_code_head(head):
                others = left.setdefault(f"{block}", [])
                others.append(head)
                names[name_of(block, number)] = name_of(block, len(others))
    arguments = {**encoder["arguments"], "heads": left}
    encoder = {**encoder, "arguments": arguments}
    arguments = {**description["arguments"], "encoder": encoder}
    kept = {}
    for path, value in weights.items():
        name, _, inner = path.removeprefix(_PREFIX).partition(".")
        if not path.startswith(_PREFIX):
            kept[path] = value
        elif name in names:
            kept[f"{_PREFIX}{names[name]}.{inner}"] = value
    return {**description, "arguments": arguments}, kept


def _is_code_head(head: Any) -> bool:
    path = head.get("partial") or head.get("class") if isinstance(head, dict) else ""
    return str(path).rpartition(".")[2] == "CodeHead"
