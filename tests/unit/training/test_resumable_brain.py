import torch
from torch import nn

from lact_modules.encoders import compilation
from lact_modules.training.resumable_brain import ResumableBrain


def test_compiled_modules_keep_the_names_of_their_weights(monkeypatch, tmp_path):
    monkeypatch.setattr(compilation, "BACKEND", "eager")
    model, x = nn.Linear(1, 1, bias=False), torch.ones(2, 1)
    expected = model(x)
    brain = ResumableBrain(
        modules={"model": model},
        hparams={"output_folder": tmp_path, "trackers": []},
        run_opts={"device": "cpu", "compile": True},
    )
    brain._compile()
    assert torch.equal(brain.model(x), expected)
    assert [*brain.modules.state_dict()] == ["model.weight"]
    assert "forward" in vars(brain.model)
