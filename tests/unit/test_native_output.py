import os

import pytest

from lact_modules.native_output import native_stderr_hidden


def test_what_libraries_write_is_held_back_and_no_more(capfd):
    with pytest.raises(RuntimeError), native_stderr_hidden():
        os.write(2, b"hidden")
        raise RuntimeError
    os.write(2, b"seen")
    assert capfd.readouterr().err == "seen"
