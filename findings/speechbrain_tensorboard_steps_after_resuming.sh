#!/usr/bin/env bash
# A training of six epochs is interrupted after three and resumed from its checkpoint, the epoch
# counter with it. One expects TensorBoard to show six points, of which the last has step 6. The
# TensorboardLogger of SpeechBrain 1.1.2 counts its steps in memory, from one in each process, and
# has no state that a checkpoint could hold: the points of both parts lie above each other at
# steps 1 to 3, and the epochs, which are logged too, go up twice.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    speechbrain==1.1.2 tensorboard==2.21.0 torch==2.11.0 torchaudio==2.11.0
cd "$folder"
venv/bin/python - <<'PYTHON' 2>errors.txt || { cat errors.txt; exit 1; }
import time
from importlib.metadata import version

from speechbrain.utils.epoch_loop import EpochCounter
from speechbrain.utils.checkpoints import Checkpointer
from speechbrain.utils.train_logger import TensorboardLogger
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

print("speechbrain", version("speechbrain"), "tensorboard", version("tensorboard"))
NUM_EPOCHS = 6


def train(last):
    """Train up to an epoch, as recipes do; the loss of an epoch is 1 over its number."""
    counter, logger = EpochCounter(NUM_EPOCHS), TensorboardLogger("logs")
    checkpointer = Checkpointer("save", {"counter": counter})
    checkpointer.recover_if_possible()
    for epoch in counter:
        logger.log_stats({"epoch": epoch}, {"loss": 1 / epoch}, {"loss": 1 / epoch})
        checkpointer.save_checkpoint()
        if epoch == last:
            break
    logger.writer.close()


def points(tag):
    events = EventAccumulator("logs").Reload()
    return [(event.step, round(event.value, 2)) for event in events.Scalars(tag)]


train(3)
# the names of event files have seconds
time.sleep(1.1)
train(NUM_EPOCHS)
print("epoch, as (step, value):", points("epoch"))
print("loss/valid:             ", points("loss/valid"))
assert [step for step, _ in points("loss/valid")] == [1, 2, 3, 1, 2, 3]
assert [value for _, value in points("epoch")] == [1, 2, 3, 4, 5, 6]
PYTHON
