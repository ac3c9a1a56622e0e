from types import SimpleNamespace

import pytest

from lact_modules.errors import InputError
from lact_modules.training.batch.batching import BatchLimits
from lact_modules.training.dataset.streams import LongForm
from lact_modules.training.from_keys import finetuning_of, from_keys
from lact_modules.training.option.keys import EVERY
from tests.keys_taken import keys_taken

HPARAMS = {
    "seed": 3,
    "max_batch_size": 4,
    "long_form_order": "reading",
    "long_form_finetune_seconds": 60.0,
    "long_form_finetune_epochs": 2,
    "epoch_counter": SimpleNamespace(limit=10),
}


@pytest.mark.parametrize("kind", [dict, lambda keys: SimpleNamespace(**keys)])
def test_keys_are_taken_by_name_and_others_have_defaults(kind):
    hparams = kind(HPARAMS)
    assert from_keys(BatchLimits, hparams) == BatchLimits(3, max_batch_size=4)
    assert from_keys(BatchLimits, hparams, seed=5).seed == 5
    assert from_keys(LongForm, hparams, "long_form_") == LongForm(order="reading")
    finetuning = finetuning_of(hparams)
    assert (finetuning.first_epoch, finetuning.seconds) == (9, 60.0)


def test_recipes_without_long_recordings_have_no_fine_tuning():
    assert finetuning_of({}) is None
    with pytest.raises(InputError, match="--long_form_finetune_epochs 10: of 10"):
        finetuning_of({**HPARAMS, "long_form_finetune_epochs": 10})


@pytest.mark.parametrize(("made", "names"), keys_taken().items())
def test_arguments_are_named_as_keys(made, names):
    """One that is not would always have its default."""
    assert names and names <= EVERY.keys()
