import pytest
import torch

from lact_modules.errors import InputError
from lact_modules.training.parameter.unfreezing import StagedUnfreezing, read_stages

STAGES = [
    {"epochs": [1, 2], "rates": {"output": 2e-4}},
    {"epochs": [3, 3], "rates": {"output": "1e-4", "encoder": 3e-5}},
]


@pytest.mark.parametrize("entries", [None, []])
def test_no_stages(entries):
    assert read_stages(entries) == []


def test_numbers_may_be_text():
    assert read_stages(STAGES)[1].rates == {"output": 1e-4, "encoder": 3e-5}


@pytest.mark.parametrize(
    "entries",
    [
        [{"epochs": [2, 3], "rates": {"output": 1e-4}}],
        [STAGES[0], {"epochs": [4, 5], "rates": {"output": 1e-4}}],
        [STAGES[0], {"epochs": [2, 3], "rates": {"output": 1e-4}}],
        [{"epochs": [1, 0], "rates": {"output": 1e-4}}],
        [{"epochs": [1, 2], "rates": {}}],
        [{"epochs": 1, "rates": {"output": 1e-4}}],
        [{"epochs": [1, 2], "rates": {"output": "fast"}}],
        [{"epochs": [1, 2]}],
        ["output"],
    ],
)
def test_faulty_stage_is_named(entries):
    with pytest.raises(InputError, match=r"stages: .*epoch"):
        read_stages(entries)


def test_stages_follow_one_another_and_the_last_one_holds():
    first, second = (torch.nn.Parameter(torch.ones(1)) for _ in range(2))
    optimizer = torch.optim.AdamW([{"params": [first]}, {"params": [second]}])
    rates = [[2e-4, 1e-4], [None, 3e-5]]
    unfreezing = StagedUnfreezing(optimizer, read_stages(STAGES), rates)
    seen = [
        (
            unfreezing.enter(epoch),
            second.requires_grad,
            [group["initial_lr"] for group in optimizer.param_groups],
        )
        for epoch in (1, 2, 3, 9)
    ]
    assert seen == [
        (True, False, [2e-4, 0.0]),
        (False, False, [2e-4, 0.0]),
        (True, True, [1e-4, 3e-5]),
        (False, True, [1e-4, 3e-5]),
    ]
    assert first.requires_grad


def test_frozen_parameter_is_neither_updated_nor_decayed():
    first, second = (torch.nn.Parameter(torch.ones(1)) for _ in range(2))
    optimizer = torch.optim.AdamW(
        [{"params": [first]}, {"params": [second]}], lr=0.1, weight_decay=0.5
    )
    stages = read_stages(STAGES)
    StagedUnfreezing(optimizer, stages, [[0.1, 0.1], [None, 0.1]]).enter(1)
    (first * second).sum().backward()
    optimizer.step()
    assert first < 1
    assert second == 1
