import pytest
import torch

from lact_modules.errors import InputError
from lact_modules.inference.files import process_files


def load(source):
    if source < 0:
        raise InputError(f"{source}: no such file")
    return torch.zeros(source)


def test_results_come_in_the_order_of_sources_whatever_the_batches():
    batches = []

    def run(waveforms):
        batches.append([len(waveform) for waveform in waveforms])
        return [f"{len(waveform)} samples" for waveform in waveforms]

    outcomes = list(process_files([5, 1, -1, 3, 2], run, batch_size=2, load=load))
    assert batches == [[1, 2], [3, 5]]
    assert [o.source for o in outcomes] == [5, 1, -1, 3, 2]
    assert [o.result for o in outcomes if o.source > 0] == [
        f"{o.source} samples" for o in outcomes if o.source > 0
    ]
    failed = outcomes[2]
    assert (failed.result, failed.seconds, str(failed.error)) == (
        None,
        0.0,
        "-1: no such file",
    )
    assert outcomes[0].seconds == 5 / 16000


def test_what_one_file_breaks_is_its_own_fault_alone():
    def run(waveforms):
        if any(len(waveform) == 3 for waveform in waveforms):
            raise InputError("cannot be heard")
        return [len(waveform) for waveform in waveforms]

    outcomes = list(process_files([1, 3, 2], run, load=load))
    assert [outcome.result for outcome in outcomes] == [1, None, 2]
    assert str(outcomes[1].error) == "3: cannot be heard"


@pytest.mark.parametrize(
    ("fault", "line"),
    [
        (PermissionError(13, "Permission denied", "a"), "a: Permission denied"),
        (MemoryError(), "a: does not fit into memory"),
    ],
)
def test_what_the_system_says_of_a_file_is_its_fault_alone(fault, line):
    def load_but_one(source):
        if source == "a":
            raise fault
        return torch.zeros(1)

    outcomes = list(process_files(["a", "b"], lambda batch: batch, load=load_but_one))
    assert str(outcomes[0].error) == line
    assert outcomes[1].error is None


def test_as_many_results_as_files_are_wanted():
    with pytest.raises(ValueError, match="zip"):
        list(process_files([1, 2], lambda waveforms: [None], load=load))
