import pytest
from ruamel.yaml import YAML

from lact_modules.errors import InputError
from lact_modules.training.checkpointing.history import Trained
from lact_modules.training.option import keys
from lact_modules.training.option.hparams import read_settings
from lact_modules.training.startup.testing_again import as_trained, check_is_left
from tests.documents import ROOT

RECIPE = ROOT / "recipes/LibriSpeech/ASR/CTC/hparams/lact_demo.yaml"


def read(encoder):
    overrides = f"{{data_folder: data, output_folder: out, encoder: {encoder}}}"
    return read_settings(RECIPE, overrides, keys.CTC)


@pytest.mark.parametrize(
    ("before", "now"),
    [
        ("{heads: {middle: null, 3: ctc}}", "{}"),
        ("{}", "{heads: {2: ctc}}"),
        ("{heads: {2: ctc}}", "{heads: {2: self-conditioned-ctc}}"),
    ],
)
def test_heads_are_found_by_their_numbers(before, now, caplog):
    trained, settings = read(before), read(now)
    history = Trained(trained.resolved, [], 26, 100)
    with pytest.raises(InputError, match=r"--encoder.heads\.\w+ .*no step is left"):
        check_is_left(settings, history, num_epochs=26)
    again = as_trained(settings, history)
    assert (
        "nothing is trained, so these stay as they were: encoder.heads." in caplog.text
    )
    left, expected = (
        {
            block: head
            for block, head in YAML().load(each.resolved)["encoder"]["heads"].items()
            if head
        }
        for each in (again, trained)
    )
    assert left == expected
