from itertools import count, islice
from threading import Event

import pytest
import torch

from lact_modules.errors import InputError
from lact_modules.inference import files as module
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
    # the first is run as it comes, before others are sorted
    assert batches == [[1, 5], [2, 3]]
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
def test_an_error_of_the_system_is_of_that_file_alone(fault, line):
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


def test_the_next_files_are_read_while_a_batch_is_run():
    is_read = [Event() for _ in range(6)]

    def load_and_note(source):
        is_read[source].set()
        return load(source)

    def run(waveforms):
        # of all batches but the last
        for waveform in waveforms:
            following = len(waveform) + len(waveforms)
            assert following > 5 or is_read[following].wait(timeout=20)
        return waveforms

    outcomes = list(process_files(range(6), run, batch_size=1, load=load_and_note))
    assert [len(outcome.result) for outcome in outcomes] == [0, 1, 2, 3, 4, 5]
    with_order = process_files(range(6), run, load=load_and_note, in_order=True)
    assert len(list(with_order)) == 6


def test_only_so_many_files_are_read_ahead(monkeypatch):
    num_read = 0

    def load_and_count(source):
        nonlocal num_read
        num_read += 1
        return torch.zeros(16000)

    outcomes = process_files(count(), lambda batch: batch, 2, load_and_count)
    # windows of 2, 4, 8 files, and as many as 8 ahead of each
    list(islice(outcomes, 14))
    assert num_read <= 2 + 4 + 8 + 8 + 1
    outcomes.close()
    monkeypatch.setattr(module, "_MAX_WINDOW_SECONDS", 3)
    num_read = 0
    outcomes = process_files(count(), lambda batch: batch, 8, load_and_count)
    # 4 files exceed 3 seconds
    list(islice(outcomes, 5))
    assert 8 <= num_read <= 4 + 4 + 4 + 1


def test_a_fault_of_the_program_is_raised_at_its_file():
    def load_or_fail(source):
        if source == 3:
            raise ZeroDivisionError
        return load(source)

    outcomes = process_files(count(1), lambda batch: batch, 1, load_or_fail)
    assert next(outcomes).source == 1
    with pytest.raises(ZeroDivisionError):
        list(outcomes)


@pytest.mark.parametrize("fault", [KeyboardInterrupt, RuntimeError])
def test_who_is_interrupted_reads_no_more(fault):
    num_read, is_reading, goes_on = 0, Event(), Event()

    def load_and_wait(source):
        nonlocal num_read
        num_read += 1
        if source == 1:
            is_reading.set()
            goes_on.wait()
        return load(source)

    def interrupt(batch):
        assert is_reading.wait(timeout=20)
        raise fault

    outcomes = process_files(count(), interrupt, 1, load_and_wait)
    # at once, though a file is being read
    with pytest.raises(fault):
        next(outcomes)
    goes_on.set()
    assert num_read == 2
