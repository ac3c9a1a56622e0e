#!/usr/bin/env bash
# transformers[torch] 5.24.0 declares accelerate 1.1.0 or newer, and pip is content with 1.1.0
# and 1.2.1. One expects Trainer to train with them. It raises at the first step, for an
# argument of accelerate that 1.3.0 brought.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    "transformers[torch]==5.24.0" accelerate==1.1.0 torch==2.11.0 numpy==2.4.6
cd "$folder"
cat >train.py <<'PYTHON'
from importlib.metadata import requires, version

import torch
from transformers import Trainer, TrainingArguments

needed = [each for each in requires("transformers") if '"torch"' in each]
assert 'accelerate>=1.1.0; extra == "torch"' in needed, needed


class Line(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(2, 1)

    def forward(self, x, labels=None):
        output = self.layer(x)
        return {"loss": (output - labels).square().mean(), "logits": output}


arguments = TrainingArguments(
    "out",
    use_cpu=True,
    max_steps=1,
    report_to=[],
    save_strategy="no",
    disable_tqdm=True,
)
items = [{"x": torch.ones(2), "labels": torch.ones(1)}] * 8
trainer = Trainer(model=Line(), args=arguments, train_dataset=items)
print(
    "transformers",
    version("transformers"),
    "accelerate",
    version("accelerate"),
    end=": ",
)
try:
    trainer.train()
except TypeError as error:
    print(error)
    raise SystemExit(3) from None
print("trained", trainer.state.global_step, "step")
PYTHON
for release in 1.1.0 1.2.1 1.3.0; do
    "$folder/venv/bin/pip" install --quiet --disable-pip-version-check "accelerate==$release"
    "$folder/venv/bin/pip" check
    code=0
    venv/bin/python train.py 2>errors.txt || code=$?
    case $release in
    1.3.0) [ "$code" = 0 ] ;;
    *) [ "$code" = 3 ] ;;
    esac || { cat errors.txt; exit 1; }
done
