"""Which block of a stack gets which of several mixers."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

Each = TypeVar("Each")


def alternate(choices: Sequence[Each], num_layers: int) -> list[Each]:
    """Take the choices by turns, block by block, from the first again and again.

    Arguments
    ---------
    choices : Sequence[Each]
        At least one.
    num_layers : int
        Blocks.

    Returns
    -------
    list[Each]
        One for each block, the lowest first.

    Raises
    ------
    ValueError
        If there are none, or more than blocks.

    Example
    -------
    >>> alternate(["local", "fast"], 5)
    ['local', 'fast', 'local', 'fast', 'local']
    """
    _check(choices, num_layers)
    return [choices[layer % len(choices)] for layer in range(num_layers)]


def divide(choices: Sequence[Each], num_layers: int) -> list[Each]:
    """Assign a run of blocks to each choice, of equal length or one block apart.

    A choice that is listed twice has twice the share.

    Arguments
    ---------
    choices : Sequence[Each]
        At least one.
    num_layers : int
        Blocks.

    Returns
    -------
    list[Each]
        One for each block, the lowest first.

    Raises
    ------
    ValueError
        If there are none, or more than blocks.

    Example
    -------
    >>> divide(["local", "local", "fast"], 4)
    ['local', 'local', 'local', 'fast']
    """
    _check(choices, num_layers)
    count = len(choices)
    return [choices[layer * count // num_layers] for layer in range(num_layers)]


def upper_blocks(
    choices: Sequence[Callable[..., Any]],
    num_layers: int,
    below: Mapping[str, Any],
    share: float = 1 / 3,
) -> list[Callable[..., Any]]:
    """Use a mixer unchanged in the last blocks, and changed in those below.

    With ``below: {num_lact_heads: 0}`` only they have fast weights, as in
    arXiv 2512.23675.

    Arguments
    ---------
    choices : Sequence[Callable[..., Any]]
        One factory.
    num_layers : int
        Blocks.
    below : Mapping[str, Any]
        Arguments of the factory in the blocks below.
    share : float
        Of the blocks, above 0, that take it as it is; rounded, and one at least.

    Returns
    -------
    list[Callable[..., Any]]
        One for each block, the lowest first.

    Raises
    ------
    ValueError
        If there is not one factory, no such share, or `below` is no mapping.

    Example
    -------
    >>> [make() for make in upper_blocks([dict], 4, {"num_lact_heads": 0})]
    [{'num_lact_heads': 0}, {'num_lact_heads': 0}, {'num_lact_heads': 0}, {}]
    """
    if len(choices) != 1:
        raise ValueError(f"mixer: {len(choices)}, but layouts.upper_blocks takes one")
    if not 0 < share <= 1:
        raise ValueError(f"share={share}: must be above 0, and 1 at most")
    if not isinstance(below, Mapping):
        raise ValueError(f"below: {below!r}: expected arguments by name")
    num_upper = max(1, round(share * num_layers))
    changed = partial(choices[0], **below)
    return [changed] * (num_layers - num_upper) + [choices[0]] * num_upper


def _check(choices: Sequence[Each], num_layers: int) -> None:
    if not 0 < len(choices) <= num_layers:
        raise ValueError(f"mixer: {len(choices)} for {num_layers} blocks")
