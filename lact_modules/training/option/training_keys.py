"""Keys of every training: its data, and how it is trained."""

from dataclasses import replace

from lact_modules.training.option.defaults import OPTIONAL, REQUIRED, SHARED, Key
from lact_modules.training.option.kind.kinds import (
    checked,
    either,
    flag,
    function,
    having,
    list_of,
    mapping,
    maybe,
    number,
    one_of,
    pair,
    text,
    whole,
)
from lact_modules.training.option.kind.nested_kinds import PREPARATION, SPLITS
from lact_modules.training.option.run_options import RUN_OPTIONS
from lact_modules.training.parameter.groups import read_rules
from lact_modules.training.parameter.unfreezing import read_stages
from lact_modules.training.tracking.trackers import TRACKERS

Keys = dict[str, Key]
"""By name."""

_SIZE = whole(1, 10**6)
COUNT = whole(1, 1000)
_INTERVAL = whole(0)
_TRACKER = one_of(*TRACKERS)
_PATHS = maybe(either(text, list_of(text, "paths")))

_RISING = pair(number(above=0), "two rates above 0, the lower first")
_RATES = replace(_RISING, fits=lambda value: _RISING.fits(value) and len({*value}) > 1)

DATA: Keys = {
    "seed": Key(whole(0, 2**31 - 1), REQUIRED, "random seed"),
    "output_folder": Key(text, REQUIRED, "folder for all that a run writes"),
    "system": Key(maybe(text), SHARED, "name of the run in lact-asr compare"),
    "data_folder": Key(maybe(text), SHARED, "folder of the corpus"),
    "language": Key(text, OPTIONAL, "code of the language, such as de"),
    "train_splits": Key(SPLITS, SHARED, "splits of the corpus for training"),
    "dev_splits": Key(SPLITS, SHARED, "splits for validation"),
    "test_splits": Key(SPLITS, SHARED, "splits to test on"),
    "train_manifest": Key(_PATHS, SHARED, "manifests instead of train_splits"),
    "valid_manifest": Key(_PATHS, SHARED, "manifests instead of dev_splits"),
    "test_manifest": Key(_PATHS, SHARED, "manifests instead of test_splits"),
    "train_shards": Key(
        _PATHS, SHARED, "shards instead of train_splits: folders or patterns"
    ),
    "preparation": Key(
        mapping(PREPARATION), SHARED, "options of the corpus's preparation"
    ),
}
"""Of every recipe."""

TRAINING: Keys = {
    **DATA,
    **RUN_OPTIONS,
    "save_folder": Key(text, OPTIONAL, "where checkpoints are kept"),
    "dataset_name": Key(maybe(text), REQUIRED, "name of the training data in results"),
    "num_workers": Key(whole(0, 1000), SHARED, "processes that load data"),
    # optimization
    "num_epochs": Key(whole(1, 10**6), OPTIONAL, "passes over the training data"),
    "learning_rate": Key(number(0), OPTIONAL, "peak learning rate"),
    "weight_decay": Key(number(0), OPTIONAL, "weight decay"),
    "warmup_steps": Key(whole(0), OPTIONAL, "optimizer steps of the warm-up"),
    "parameter_groups": Key(
        maybe(checked("a list of rules", read_rules, list)),
        SHARED,
        "learning rates and weight decay by module, a list of rules",
    ),
    "layer_decay": Key(
        number(above=0, at_most=1),
        SHARED,
        "factor of the learning rate from each layer to the one below",
    ),
    "unfreezing_stages": Key(
        maybe(checked("a list of stages", read_stages, list)),
        SHARED,
        "gradual unfreezing: stages with epochs and learning rates by module; the rest "
        "is frozen",
    ),
    "target_effective_batch": Key(
        maybe(whole(1, 10**6)),
        SHARED,
        "utterances of an optimizer step, for any memory and number of processes",
    ),
    "fsdp": Key(
        flag,
        SHARED,
        "under torchrun, divide parameters, gradients and the optimizer's state among "
        "processes",
    ),
    "find_lr": Key(
        flag, SHARED, "run the learning-rate range test, and keep its curve alone"
    ),
    "find_lr_steps": Key(whole(20, 10**6), SHARED, "optimizer steps of the range test"),
    "find_lr_range": Key(
        _RATES,
        SHARED,
        "first and last learning rate of the range test",
    ),
    # in optimizer steps
    "log_interval": Key(_INTERVAL, SHARED, "steps between logs; 0: none"),
    "sample_interval": Key(_INTERVAL, SHARED, "steps between samples; 0: none"),
    "valid_interval": Key(
        _INTERVAL, SHARED, "steps between validations; 0: each epoch's"
    ),
    "checkpoint_interval": Key(
        _INTERVAL, SHARED, "steps between checkpoints; 0: epochs"
    ),
    "avg_checkpoints": Key(COUNT, SHARED, "best checkpoints to keep and average"),
    # sizes
    "d_model": Key(_SIZE, OPTIONAL, "width of the model"),
    "d_ffn": Key(_SIZE, OPTIONAL, "width of feed-forward layers"),
    "num_layers": Key(COUNT, OPTIONAL, "blocks of the encoder"),
    "num_heads": Key(COUNT, OPTIONAL, "attention heads"),
    "dropout": Key(number(0, below=1), OPTIONAL, "dropout probability"),
    # objects
    "model": Key(having("a model, made by !new:", "parameters"), REQUIRED, "to train"),
    "modules": Key(
        checked("a mapping with the key model", lambda value: value["model"]),
        REQUIRED,
        "parts of the model, for SpeechBrain",
    ),
    "opt_class": Key(function, REQUIRED, "optimizer"),
    "schedule": Key(function, REQUIRED, "learning-rate schedule"),
    "epoch_counter": Key(
        having("an EpochCounter, made by !new:", "limit", "current"), REQUIRED, "epochs"
    ),
    "train_logger": Key(
        having("a logger, made by !new:", "log_stats"), REQUIRED, "logs epochs"
    ),
    "checkpointer": Key(
        having("a checkpointer, made by !new:", "checkpoints_dir"),
        REQUIRED,
        "keeps checkpoints",
    ),
    "trackers": Key(
        either(_TRACKER, list_of(_TRACKER, f"these: {', '.join(TRACKERS)}")),
        SHARED,
        "experiment trackers",
    ),
}
"""Of every recipe that trains a model."""
