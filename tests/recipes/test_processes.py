import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests import processes

ROOT = Path(__file__).parents[2]
LAUNCHER = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
# what buffers gather depends on what has gone before within a step, and rounding may
# move the boundary of a chunk
NEAR = {
    *("running normalization", "effective, running normalization"),
    "fsdp, running normalization",
    *("cosine router", "similarity router", "effective, ctc-blank router"),
}


def train_apart(folder, cases):
    """Train cases in two processes; give what has become of them in each."""
    finished = subprocess.run(
        [sys.executable, *LAUNCHER, processes.__file__, str(folder), *cases],
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert finished.returncode == 0, finished.stderr
    return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in (0, 1)]


def check(case, one, first, second):
    """Check that two processes agree, and learned what one has."""
    (losses, state), (losses_of_two, state_of_two), (_, other) = one, first, second
    assert all(torch.equal(state_of_two[name], other[name]) for name in other), case
    tolerance = 0.1 if case in NEAR else 1e-4
    assert losses_of_two == pytest.approx(losses, abs=10 * tolerance), case
    for name in state:
        if state[name].is_floating_point():
            torch.testing.assert_close(
                *(state_of_two[name], state[name]),
                rtol=tolerance,
                atol=tolerance,
                msg=lambda text, name=name: f"{case}, {name}: {text}",
            )


@pytest.mark.parametrize(
    "cases",
    [
        pytest.param(processes.FEW, id="few"),
        pytest.param([*processes.CASES], id="all", marks=pytest.mark.slow),
    ],
)
def test_two_processes_learn_what_one_does(tmp_path, cases):
    first, second = train_apart(tmp_path, cases)
    one = processes.train_all(cases)
    for case in cases:
        check(case, one[case], first[case], second[case])
