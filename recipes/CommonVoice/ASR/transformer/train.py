#!/usr/bin/env python
"""Train and test a CTC/attention recognizer on a language of Common Voice.

python train.py hparams/lact_demo.yaml --data_folder /path/to/cv-corpus/de --language de

Run it again to resume. Any key of the YAML file can be set on the command line;
SpeechBrain's run options (``--device``, ``--precision bf16``, ...) work too.
"""

from functools import partial

from lact_modules.data.corpus.commonvoice import prepare_commonvoice
from lact_modules.training.experiment import run_recipe
from lact_modules.training.launch import launch
from lact_modules.training.option import keys
from lact_modules.training.s2s import S2SBrain


class ASR(S2SBrain):
    """A recognizer of word pieces by CTC and attention.

    Its `compute_forward` and `compute_objectives` are in lact_modules/training/s2s.py.
    Override them here to train something else; docs/changing_recipes.md has an example.
    """


main = partial(
    run_recipe,
    brain_class=ASR,
    prepare=prepare_commonvoice,
    recipe="CommonVoice/ASR/transformer",
)

if __name__ == "__main__":
    launch(main, keys.S2S)
