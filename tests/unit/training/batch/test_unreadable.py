import pytest

from lact_modules.errors import InputError
from lact_modules.training.batch.unreadable import UnreadableAudio


def note(unreadable, count):
    for number in range(count):
        unreadable.note({f"u{number}": f"u{number}.wav: truncated"})


@pytest.mark.parametrize(("size", "patience", "limit"), [(20, 5, 5), (1000, 5, 10)])
def test_patience_or_one_of_a_hundred_is_passed_over(size, patience, limit, caplog):
    unreadable = UnreadableAudio(size, patience)
    note(unreadable, limit)
    # again in another epoch
    note(unreadable, limit)
    assert caplog.text.count("cannot be read, skipped: u0 (u0.wav: truncated)") == 1
    with pytest.raises(InputError, match=f"{limit + 1} of {size} utterances cannot"):
        note(unreadable, limit + 1)


def test_all_are_too_many():
    with pytest.raises(InputError, match=r"3 of 3 .* \(last u2: u2.wav: truncated\)"):
        note(UnreadableAudio(3, patience=5), 3)
