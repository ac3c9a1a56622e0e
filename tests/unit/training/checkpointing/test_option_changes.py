import pytest

from lact_modules.training.checkpointing.option_changes import find_changes

OLD = """
seed: 1
__set_seed: !apply:torch.manual_seed [1]
num_workers: 2
train_manifest: [/old/a.jsonl]
learning_rate: 1e-3
encoder: &id001 !new:lact.Encoder
  layers: 2
  heads: {3: ctc}
  augmentations:
  - !new:a.Speed
    speeds: [90, 100]
model: !new:lact.Model
  encoder: *id001
"""


def changes(pattern, replacement):
    assert pattern in OLD
    found = find_changes(OLD, OLD.replace(pattern, replacement), ["num_workers"])
    return {change.name: (change.old, change.new) for change in found}


@pytest.mark.parametrize(
    ("pattern", "replacement", "found"),
    [
        ("1e-3", "0.001", {}),
        ("num_workers: 2", "num_workers: 8", {}),
        ("/old/a", "/new/place/a", {}),
        ("old/a", "old/b", {"train_manifest": (["/old/a.jsonl"], ["/old/b.jsonl"])}),
        ("1e-3", "null", {"learning_rate": (0.001, None)}),
        ("layers: 2", "layers: 3", {"encoder.layers": (2, 3)}),
        (
            "layers: 2",
            "size: 2",
            {"encoder.layers": (2, None), "encoder.size": (None, 2)},
        ),
        (
            "90, 100",
            "95",
            {"encoder.augmentations.0.speeds": ([90, 100], [95])},
        ),
        (
            "lact.Encoder",
            "my.Encoder",
            {"encoder": ("!new:lact.Encoder", "!new:my.Encoder")},
        ),
        (
            "{3: ctc}",
            "{middle: ctc}",
            {"encoder.heads.3": ("ctc", None), "encoder.heads.middle": (None, "ctc")},
        ),
        # keys of other versions
        ("num_workers", "number_of_workers", {}),
    ],
)
def test_finds_what_is_another_option(pattern, replacement, found):
    assert changes(pattern, replacement) == found
