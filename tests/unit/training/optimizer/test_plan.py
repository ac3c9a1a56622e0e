from functools import partial

import torch
from torch import nn

from lact_modules.training.optimizer.plan import plan_optimizer

ADAMW = partial(torch.optim.AdamW, lr=0.01, weight_decay=0.1)


def make_model():
    return nn.ModuleDict({"encoder": nn.Linear(3, 2), "output": nn.Linear(2, 2)})


def test_one_group_is_that_of_the_optimizer():
    model = make_model()
    plan = plan_optimizer(model, ADAMW)
    [group] = plan.optimizer.param_groups
    [plain] = ADAMW(model.parameters()).param_groups
    assert plain.items() <= group.items()
    assert group["initial_lr"] == 0.01
    assert plan.unfreezing is None


def test_groups_have_what_rules_give_and_else_the_optimizers():
    rules = [
        {"match": "encoder", "lr_scale": 0.5},
        {"match": "output", "lr": 0.03, "weight_decay": 0},
    ]
    plan = plan_optimizer(make_model(), ADAMW, rules)
    seen = [
        (group["name"], group["lr"], group["initial_lr"], group["weight_decay"])
        for group in plan.optimizer.param_groups
    ]
    assert seen == [("encoder", 0.005, 0.005, 0.1), ("output", 0.03, 0.03, 0.0)]


def test_table_shows_what_is_frozen_when():
    stages = [
        {"epochs": [1, 2], "rates": {"output": 2e-4}},
        {"epochs": [3, 5], "rates": {"*": 1e-5}},
    ]
    plan = plan_optimizer(make_model(), ADAMW, unfreezing_stages=stages)
    heading, *rows = plan.table.splitlines()
    assert heading.split("  ")[-2:] == ["epochs 1 to 2", "epochs 3 to 5"]
    assert [row.split() for row in rows] == [
        ["*", "8", "0.1", "frozen", "1.00e-05"],
        ["output", "+", "*", "6", "0.1", "2.00e-04", "1.00e-05"],
    ]
    assert plan.unfreezing.enter(1)
