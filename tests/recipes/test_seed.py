import random

import numpy as np

# half of the batches are augmented: SpeechBrain asks Python's generator which
OPTIONS = {
    "wav_augment": "{augment_prob: 0.5}",
    "fea_augment": "{augment_prob: 0.5}",
    "codecs": "[mulaw]",
}


def test_two_runs_of_a_seed_are_equal(train, tmp_path):
    runs = []
    for name in ("first", "second"):
        # what happened before in the process has no influence
        random.seed(name)
        np.random.seed(len(name))
        run = train(tmp_path / name, **OPTIONS)
        keys = ("step", "loss", "grad_norm")
        runs.append([[entry[key] for key in keys] for entry in run.metrics("train")])
    first, second = runs
    assert len(first) == 10
    assert first == second
