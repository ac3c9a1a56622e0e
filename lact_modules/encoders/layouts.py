"""Which block of a stack gets which of several mixers."""

from collections.abc import Sequence
from typing import TypeVar

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
    """Give each choice a run of blocks, all as long, or a block shorter or longer.

    A choice that stands twice has twice the share.

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


def _check(choices: Sequence[Each], num_layers: int) -> None:
    if not 0 < len(choices) <= num_layers:
        raise ValueError(f"mixer: {len(choices)} for {num_layers} blocks")
