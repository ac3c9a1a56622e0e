import torch

from lact_modules.training.loop import RecipeBrain

OPTIONS = {
    "opt_class": "!include:../../../../../hparams/optimizer/muon.yaml "
    "{lr: !ref <learning_rate>}",
    "encoder": "{num_layers: 1, dropout: 0.1}",
    # four steps
    "train_splits": "[dev]",
    "test_splits": "[]",
    "max_batch_size": 1,
    "checkpoint_interval": 2,
}


def test_resumed_as_if_never_interrupted(train, tmp_path, monkeypatch):
    whole = train(tmp_path / "whole", **OPTIONS)
    assert whole.code == 0, whole.error
    assert {"lr/others", "lr/matrices"} <= whole.metrics("train")[0].keys()
    with monkeypatch.context() as patch:
        learn = RecipeBrain.learn

        def learn_until_step_3(self, batch, should_step):
            if self.optimizer_step == 3:
                raise SystemExit(9)
            return learn(self, batch, should_step)

        patch.setattr(RecipeBrain, "learn", learn_until_step_3)
        assert train(tmp_path / "run", **OPTIONS).code == 9
    resumed = train(tmp_path / "run", **OPTIONS)
    assert max(resumed.checkpoints()) == 4
    first, second = whole.parameters(), resumed.parameters()
    assert all(torch.equal(first[name], second[name]) for name in first)
