import pytest

from lact_modules.training.checkpointing.progress import EpochProgress


def begun(num_steps, state=None, advanced=0):
    progress = EpochProgress()
    if state is not None:
        progress.load(state)
    progress.begin(num_steps)
    for _ in range(advanced):
        progress.advance()
    return progress


@pytest.mark.parametrize("steps_per_epoch", [1, 3, 7, 10, 49, 1000])
def test_whole_epochs_count_in_whole_steps(steps_per_epoch):
    progress = begun(steps_per_epoch)
    for step in range(steps_per_epoch):
        assert progress.position(2, steps_per_epoch) == steps_per_epoch + step
        stopped = begun(steps_per_epoch - step, progress.state())
        assert stopped.state() == progress.state()
        progress.advance()
    assert progress.position(2, steps_per_epoch) == 2 * steps_per_epoch


def test_other_steps_share_what_is_left():
    stopped = begun(10, advanced=4)
    resumed = begun(2, stopped.state())
    shares = []
    for _ in range(3):
        shares.append(resumed.position(1, steps_per_epoch=5))
        resumed.advance()
    assert shares == pytest.approx([2.0, 3.5, 5.0])
    again = begun(1, begun(2, stopped.state(), advanced=1).state())
    assert again.share == pytest.approx(0.7)
    # the next epoch begins anew
    again.begin(5)
    assert again.share == 0


def test_an_epoch_without_steps_is_done():
    assert begun(0, begun(10, advanced=4).state()).share == 1
