import pytest

from lact_modules.errors import InputError
from lact_modules.training.history import OptionHistory
from lact_modules.training.loop import RecipeBrain

SAVED = "step: 4\navg_train_loss: 1.0\noptimizer_step: 4\ntraining_wall_s: 2.5\n"


def test_what_older_versions_saved_within_an_epoch_is_refused(tmp_path):
    (tmp_path / "brain.ckpt").write_text(SAVED)
    brain = RecipeBrain.__new__(RecipeBrain)
    brain.log = brain.micro_batches = None
    brain.history = OptionHistory("")
    with pytest.raises(InputError, match="older version has saved it within an epoch"):
        brain._recover(tmp_path / "brain.ckpt", end_of_epoch=False)
    # an epoch's end tells all that the next one needs
    brain._recover(tmp_path / "brain.ckpt", end_of_epoch=True)
    assert brain.training_wall_s == 2.5
