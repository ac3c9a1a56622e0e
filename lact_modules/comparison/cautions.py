"""What makes a comparison unfair, or its numbers not comparable."""

from collections.abc import Callable, Sequence
from typing import Any

from lact_modules.comparison.runs import DECODING, UNTIL, System
from lact_modules.comparison.settings import differing, section

# Settings that decide how much a model is trained, and on what.
_BUDGET = (
    *("dataset_name", "train_splits", "train_manifest", "train_shards"),
    *("max_train_duration", "num_epochs"),
    *("max_batch_length", "max_batch_size", "grad_accumulation_factor"),
    *("learning_rate", "weight_decay", "warmup_steps", "max_grad_norm", "precision"),
    *("avg_checkpoints", "schedule", "opt_class", "wav_augment", "fea_augment"),
    *("pause_prob", "pause_seconds"),
    *("target_effective_batch", "parameter_groups", "layer_decay"),
    *("unfreezing_stages",),
    *(
        "long_form_utterances",
        "long_form_seconds",
        "long_form_order",
        "long_form_gap_seconds",
    ),
    *(
        "long_form_finetune_seconds",
        "long_form_finetune_epochs",
        "long_form_finetune_order",
    ),
    "long_form_finetune_lr_scale",
)
# What held before there were such keys.
_FORMER = {
    "long_form_utterances": "1",
    "long_form_order": "random",
    "long_form_gap_seconds": "0.0",
    "long_form_finetune_epochs": "1",
    "long_form_finetune_order": "reading",
    "long_form_finetune_lr_scale": "0.3",
}
# Relative to the first system; batches of random lengths differ a little in steps.
_STEPS_TOLERANCE, _SIZE_TOLERANCE = 0.01, 0.05


def find_cautions(systems: Sequence[System]) -> list[str]:
    """List what a reader of a comparison must know first.

    A line for each kind of inequality: budget, options that were changed within a
    training, size, decoding, seeds, hardware, source. Systems keep their order.
    """
    sizes = [system.parameters for system in systems]
    seeds = [", ".join(map(str, system.seeds)) for system in systems]
    kinds = {
        "not the same budget": _budget(systems),
        "options changed within a training": _changed(systems),
        "not the same size": _unequal("parameters", sizes, _SIZE_TOLERANCE),
        "not the same decoding": _decoding(systems),
        "not the same seeds": [" / ".join(seeds)] if len(set(seeds)) > 1 else [],
        "speeds are not comparable": _several(systems, "hardware", _hardware),
        "not the same source": _several(systems, "commit", _commit),
    }
    return [f"{kind}: {'; '.join(what)}" for kind, what in kinds.items() if what]


def _budget(systems: Sequence[System]) -> list[str]:
    settings = {system.name: section(system.settings, _BUDGET) for system in systems}
    rows = differing({name: _FORMER | settings[name] for name in settings})
    # a value that was set once may be in several places
    first_keys: dict[str, str] = {}
    for key, row in rows.items():
        first_keys.setdefault(" / ".join(v or "none" for v in row.values()), key)
    found = [f"{key} {values}" for values, key in first_keys.items()]
    return found + _unequal(
        "steps", [system.steps for system in systems], _STEPS_TOLERANCE
    )


def _changed(systems: Sequence[System]) -> list[str]:
    # a value that was set once may be in several places
    first_keys: dict[tuple[str, str, str], str] = {}
    for system in systems:
        for key, value in system.settings.items():
            if key.startswith(UNTIL):
                step, _, name = key.partition(": ")
                first_keys.setdefault((system.name, step, value), name)
    return [
        f"{system} has {key} {value or 'none'} {step}"
        for (system, step, value), key in first_keys.items()
    ]


def _decoding(systems: Sequence[System]) -> list[str]:
    runs = [run for system in systems for run in system.runs]
    if all(set(one) == {"greedy"} for run in runs for one in run.decodings.values()):
        return []
    rows = differing({str(r.folder): section(r.settings, DECODING) for r in runs})
    return [
        f"{key} {' / '.join(dict.fromkeys(v or 'none' for v in row.values()))}"
        for key, row in rows.items()
    ]


def _unequal(what: str, values: Sequence[int], tolerance: float) -> list[str]:
    if all(abs(value - values[0]) <= tolerance * values[0] for value in values):
        return []
    return [f"{what} {' / '.join(f'{value:,}' for value in values)}"]


def _several(
    systems: Sequence[System], key: str, describe: Callable[[Any], str]
) -> list[str]:
    found = dict.fromkeys(
        describe(run.result.get(key)) for system in systems for run in system.runs
    )
    return [f"{key} {' / '.join(found)}"] if len(found) > 1 else []


def _hardware(hardware: dict[str, Any]) -> str:
    return hardware["gpu"] or f"{hardware['threads']} threads of {hardware['cpu']}"


def _commit(commit: dict[str, Any] | None) -> str:
    if commit is None:
        return "unknown"
    return commit["hash"][:10] + (" with changes" if commit["dirty"] else "")
