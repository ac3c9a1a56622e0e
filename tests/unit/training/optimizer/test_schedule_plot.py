from functools import partial

import pytest
import torch
from PIL import Image
from torch import nn

from lact_modules.training.optimizer.plan import plan_optimizer
from lact_modules.training.optimizer.schedule_plot import draw_rates, plan_rates
from lact_modules.training.schedules import triangular

SGD = partial(torch.optim.SGD, lr=1.0)


def rates_of(total_steps, schedule=triangular, **options):
    model = nn.ModuleDict({"encoder": nn.Linear(2, 2), "output": nn.Linear(2, 2)})
    plan = plan_optimizer(model, SGD, **options)
    return plan_rates(plan, schedule, 5, total_steps)


def test_factor_times_each_groups_rate():
    rules = [{"match": "encoder", "lr_scale": 0.5}]
    rates = rates_of(3, parameter_groups=rules)
    assert rates == {"encoder": [0.25, 0.5, 0.25], "others": [0.5, 1.0, 0.5]}


def test_stages_change_with_the_epoch():
    stages = [
        {"epochs": [1, 2], "rates": {"output": 1.0}},
        {"epochs": [3, 5], "rates": {"output": 0.5, "encoder": 0.1}},
    ]
    rates = rates_of(
        10, unfreezing_stages=stages, schedule=lambda step, total_steps: 2.0
    )
    assert rates["output"] == [2.0] * 4 + [1.0] * 6
    assert rates["encoder"] == pytest.approx([0.0] * 4 + [0.2] * 6)


def test_draws_into_a_file_that_appears_whole(tmp_path):
    draw_rates(rates_of(100), tmp_path / "rates.png")
    assert [path.name for path in tmp_path.iterdir()] == ["rates.png"]
    with Image.open(tmp_path / "rates.png") as image:
        assert len(image.convert("L").getcolors()) > 2
