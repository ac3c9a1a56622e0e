import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from lact_modules.data.synthetic.espeak import Synthesizer
from lact_modules.data.synthetic.voices import ACCENTS, VARIANTS
from lact_modules.errors import InputError

espeakng_loader = pytest.importorskip("espeakng_loader")


@pytest.fixture(scope="module")
def synthesizer():
    return Synthesizer()


@pytest.mark.parametrize("accent", ACCENTS)
def test_every_accent_speaks_without_clipping(synthesizer, accent):
    samples = synthesizer.synthesize("THE QUIET TEACHER", accent)
    assert samples.dtype == np.float32
    assert 0.5 < len(samples) / synthesizer.sample_rate < 3
    assert 0.01 < np.abs(samples).max() < 0.99


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_variant_exists_and_does_not_clip(synthesizer, variant):
    # An unknown variant would be ignored without a word.
    variants = Path(espeakng_loader.get_data_path()) / "voices" / "!v"
    assert (variants / variant).is_file()
    samples = synthesizer.synthesize("OPEN THE DOOR", f"en-us+{variant}")
    assert 0.01 < np.abs(samples).max() < 0.99


def test_a_faster_rate_is_shorter(synthesizer):
    slow = synthesizer.synthesize("THE QUIET TEACHER", "en-us", rate=120)
    fast = synthesizer.synthesize("THE QUIET TEACHER", "en-us", rate=180)
    assert len(fast) < 0.8 * len(slow)


def test_unknown_voice_is_named(synthesizer):
    with pytest.raises(InputError, match="xx-none: espeak-ng has no such voice"):
        synthesizer.synthesize("ONE", "xx-none")


def test_fresh_processes_with_one_seed_make_the_same_samples():
    program = (
        "import hashlib; from lact_modules.data.synthetic.espeak import Synthesizer;"
        "spoken = Synthesizer({seed}).synthesize('GOOD MORNING', 'en-us+f5').tobytes();"
        "print(hashlib.md5(spoken).hexdigest())"
    )

    def say_in_process(seed):
        command = [sys.executable, "-c", program.format(seed=seed)]
        return subprocess.run(command, capture_output=True, check=True).stdout

    first = say_in_process(seed=1)
    # The library's own seed is the time in seconds.
    time.sleep(1)
    assert say_in_process(seed=1) == first
    assert say_in_process(seed=2) != first


def test_missing_loader_names_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "espeakng_loader", None)
    with pytest.raises(InputError, match=r"pip install 'lact-asr\[demo\]'"):
        Synthesizer()


def test_data_that_cannot_be_read_is_named(tmp_path):
    # In its own process, since one that has read the data keeps them.
    program = (
        "import espeakng_loader;"
        "from lact_modules.data.synthetic.espeak import Synthesizer;"
        f"espeakng_loader.get_data_path = lambda: {str(tmp_path / 'gone')!r};"
        "Synthesizer()"
    )
    process = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True
    )
    assert "gone: espeak-ng cannot read its data" in process.stderr
