"""What differs between the options of two starts of a run."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from ruamel.yaml import YAML

from lact_modules.renamed import former_names_of

INDIFFERENT = (
    *("output_folder", "save_folder", "data_folder", "num_workers", "in_memory"),
    *("log_interval", "sample_interval", "checkpoint_interval"),
    # where a run was watched, stored and computed
    *("trackers", "num_worst_utterances", "push_to_hub", "hub_private", "device"),
    *("distributed_backend", "find_unused_parameters", "test_only", "noprogressbar"),
    *("tqdm_colored_bar", "log_config", "ckpt_interval_minutes", "ckpt_interval_steps"),
    *("debug_batches", "debug_epochs", "debug_persistently"),
    *("profile_training", "profile_warmup", "profile_steps"),
)
"""Keys that change nothing that is measured."""

NOT_OF_TRAINING = (
    *INDIFFERENT,
    *("system", "dataset_name", "decoding", "test_splits", "test_manifest"),
    *("valid_batch_size", "eval_precision", "avg_checkpoints", "best_by"),
    *("optimizer_step_limit", "valid_interval", "compile", "compile_module_keys"),
    *("compile_mode", "compile_using_fullgraph", "compile_using_dynamic_shape_tracing"),
)
"""Keys that a training does not depend on."""


class Change(NamedTuple):
    """An option with its old and its new value; of objects, their classes."""

    path: tuple[Any, ...]
    old: Any
    new: Any

    @property
    def name(self) -> str:
        """The keys, dotted."""
        return ".".join(map(str, self.path))


def find_changes(old: str, new: str, ignore: Sequence[str] = ()) -> list[Change]:
    """Compare options; paths differ by their last part alone.

    A key that only one of them has belongs to another version, and counts for nothing
    at the top.
    """
    before, after = YAML().load(old), YAML().load(new)
    seen: set[int] = set()
    return [
        change
        for key in after
        if key in before and key not in ignore and not key.startswith("__")
        for change in _compare(before[key], after[key], (key,), seen)
    ]


def _compare(
    old: Any, new: Any, path: tuple[Any, ...], seen: set[int]
) -> Iterator[Change]:
    if isinstance(new, Mapping | list):
        if id(new) in seen:
            return
        seen.add(id(new))
    olds, news = _children(old), _children(new)
    if _tag(old) != _tag(new) or olds is None or news is None:
        if not _are_same(_plain(old), _plain(new)):
            yield Change(path, _plain(old), _plain(new))
        return
    for key in {**news, **olds}:
        yield from _compare(olds.get(key), news.get(key), (*path, key), seen)


def _children(node: Any) -> dict[Any, Any] | None:
    """Return the parts of a value that may differ, by key; of lists, by index as text.

    Keys that are numbers, such as those of heads, remain numbers.
    """
    if isinstance(node, Mapping):
        names = former_names_of(_tag(node))
        return {names.get(key, key): value for key, value in node.items()}
    is_nested = isinstance(node, list) and any(
        isinstance(item, Mapping | list) for item in node
    )
    return {str(index): item for index, item in enumerate(node)} if is_nested else None


def _tag(node: Any) -> str:
    tag = getattr(getattr(node, "tag", None), "value", None) or ""
    return tag if tag.startswith("!") else ""


def _are_same(old: Any, new: Any) -> bool:
    if isinstance(old, list) and isinstance(new, list):
        return len(old) == len(new) and all(map(_are_same, old, new))
    if isinstance(old, str) and isinstance(new, str):
        # files may have moved
        return old.rpartition("/")[2] == new.rpartition("/")[2]
    return bool(old == new)


def _plain(node: Any) -> Any:
    """Return a value without its notation; of an object the class."""
    if tag := _tag(node):
        return tag
    if isinstance(node, Mapping):
        return {str(key): _plain(value) for key, value in node.items()}
    if isinstance(node, list):
        return [_plain(item) for item in node]
    for kind in (bool, int, float, str):
        if isinstance(node, kind):
            return kind(node)
    return node
