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


def test_as_many_results_as_files_are_wanted():
    with pytest.raises(ValueError, match="zip"):
        list(process_files([1, 2], lambda waveforms: [None], load=load))
