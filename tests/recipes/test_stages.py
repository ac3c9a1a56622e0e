import pytest
import torch
import yaml

from lact_modules.training.loop import RecipeBrain

STAGES = (
    "[{epochs: [1, 1], rates: {output: 0.01, encoder.norm: 0.002}}, "
    "{epochs: [2, 3], rates: {output: 0.005, 'encoder.blocks[-1:]': 0.001, "
    "frontend.project: 0.002}}]"
)
# with everything that draws random numbers: augmentation and dropout
OPTIONS = {
    "num_epochs": 3,
    "encoder": "{num_layers: 2, dropout: 0.1}",
    "checkpoint_interval": 4,
    "unfreezing_stages": STAGES,
}


@pytest.fixture(scope="module")
def whole(train, tmp_path_factory):
    """A run that nothing stops: 3 epochs of 10 steps."""
    return train(tmp_path_factory.mktemp("whole"), **OPTIONS)


def saved_at(run, step):
    """What the checkpoint of an optimizer step holds: parameters, optimizer."""
    for mark in run.folder.glob("save/CKPT*/brain.ckpt"):
        if yaml.safe_load(mark.read_text())["optimizer_step"] == step:
            files = (mark.with_name(f"{name}.ckpt") for name in ("model", "optimizer"))
            return [torch.load(path, weights_only=True) for path in files]
    raise AssertionError(f"no checkpoint of step {step}")


def unequal(first, second):
    return {name for name in first if not torch.equal(first[name], second[name])}


def changed(run, first, second):
    """Parameters that differ between the checkpoints of two steps."""
    return unequal(saved_at(run, first)[0], saved_at(run, second)[0])


def test_resumed_within_the_second_stage_as_if_never_interrupted(
    whole, train, tmp_path, monkeypatch
):
    with monkeypatch.context() as patch:
        learn = RecipeBrain.learn

        def learn_until_step_18(self, batch, should_step):
            if self.optimizer_step == 18:
                raise SystemExit(9)
            return learn(self, batch, should_step)

        patch.setattr(RecipeBrain, "learn", learn_until_step_18)
        interrupted = train(tmp_path / "run", **OPTIONS)
    assert interrupted.code == 9
    assert max(interrupted.checkpoints()) == 16
    resumed = train(tmp_path / "run", **OPTIONS)
    assert resumed.code == 0
    assert resumed.steps() == list(range(1, 31))

    def seen(run):
        keys = ("loss", "grad_norm", "lr")
        return {m["step"]: [m[key] for key in keys] for m in run.metrics("train")}

    assert seen(resumed) == seen(whole)
    assert not unequal(resumed.parameters(), whole.parameters())
    moments = (saved_at(run, 30)[1]["state"] for run in (resumed, whole))
    torch.testing.assert_close(*moments, rtol=0, atol=0)
    dev = [entry["loss"] for entry in resumed.metrics("dev")]
    assert dev == [entry["loss"] for entry in whole.metrics("dev")]


def test_what_a_stage_does_not_name_is_frozen_in_it(whole):
    trained = changed(whole, 10, 20)
    assert {name for name in trained if name.startswith("encoder.blocks.1.")}
    rest = {name for name in trained if not name.startswith("encoder.blocks.1.")}
    assert rest == {
        *("frontend.project.weight", "frontend.project.bias"),
        *("output.weight", "output.bias"),
    }
    # what the first stage has trained keeps its state, and no decay shrinks it
    _, before = saved_at(whole, 10)
    _, after = saved_at(whole, 30)
    groups = {group["name"]: group["params"] for group in before["param_groups"]}
    for number in groups["encoder.norm"]:
        first, last = before["state"][number], after["state"][number]
        assert torch.equal(first["exp_avg"], last["exp_avg"])
    # the schedule's factor multiplies the stage's rate
    rates = {entry["step"]: entry["lr"] for entry in whole.metrics("train")}
    assert rates[5] == 0.01
    assert 0.001 < rates[11] < 0.005


def test_plan_is_logged(whole):
    [line] = [line for line in whole.log.splitlines() if "encoder.norm " in line]
    assert line.split() == ["encoder.norm", "64", "0.01", "2.00e-03", "frozen"]


def test_unknown_module_is_named(train, tmp_path):
    rules = "[{match: encoder.layers, lr_scale: 0.1}]"
    run = train(tmp_path, parameter_groups=rules)
    assert run.code == 2
    assert "'encoder.layers' matches no parameter" in run.error.splitlines()[-1]


def test_rules_scale_the_schedule_by_group(train, tmp_path):
    run = train(
        tmp_path,
        encoder="{num_layers: 2, dropout: 0.0}",
        layer_decay=0.5,
        parameter_groups="[{match: frontend, lr: 0.008}, {match: output, lr_scale: 2}]",
        remove_vector_weight_decay=None,
    )
    assert run.code == 0
    last = run.metrics("train")[-1]
    rates = {
        key.removeprefix("lr/"): last[key] / last["lr"]
        for key in last
        if key.startswith("lr/")
    }
    assert rates["output"] == pytest.approx(1.0)
    assert rates["vectors"] == pytest.approx(0.5)
    assert rates["encoder.blocks.0"] == pytest.approx(0.125)
    assert rates["encoder.blocks.1 + vectors"] == pytest.approx(0.25)
    assert rates["frontend + vectors"] == pytest.approx(0.25)
