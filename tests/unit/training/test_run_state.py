import pytest

from lact_modules.errors import InputError
from lact_modules.training.checkpointing.history import OptionHistory
from lact_modules.training.run_state import RunState

SAVED = "step: 4\navg_train_loss: 1.0\noptimizer_step: 4\ntraining_wall_s: 2.5\n"


def test_what_older_versions_saved_within_an_epoch_is_refused(tmp_path):
    (tmp_path / "brain.ckpt").write_text(SAVED)
    state = RunState(OptionHistory(""), log=None)
    with pytest.raises(InputError, match="older version has saved it within an epoch"):
        state.read(tmp_path / "brain.ckpt", end_of_epoch=False)
    # an epoch's end has all that the next one needs
    state.read(tmp_path / "brain.ckpt", end_of_epoch=True)
    assert state.wall_s == 2.5
