"""Each command of the documentation is one that its program would take."""

import pytest

from tests.documentation.commands import (
    DEFAULT_RECIPE,
    RECIPES,
    WrongCommand,
    check_block,
)
from tests.documents import PAGES, ROOT, Block, blocks_of


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_would_be_taken(page):
    recipe = page.parent if page.is_relative_to(RECIPES) else DEFAULT_RECIPE
    for block in blocks_of(page):
        if block.language == "bash" and block.reason is None:
            recipe = check_block(block, recipe)


@pytest.mark.parametrize(
    "command",
    [
        "lact-as doctor",
        "lact-asr transcribes talk.wav",
        "lact-asr transcribe --modle RUN talk.wav",
        "lact-asr evaluate --model RUN --data DATA --beam-size wide",
        "python train.py hparams/lact_demo.yaml --data_folder DATA --num_epoch 3",
        "python train.py hparams/lact_demo.yaml --data_folder DATA --num_epochs many",
        "python train.py hparams/lact_dmo.yaml --data_folder DATA",
        "torchrun --nproc_pr_node=4 train.py hparams/lact_demo.yaml --data_folder DATA",
        "python benchmarks/recall.py --gap 28",
        "python tools/publish_result.py RUN --nme x",
        "cd recipes/LibriSpeech/ASR/CTC && python benchmarks/recall.py",
        "make tset",
        "pip install 'lact-asr[onx]'",
    ],
)
def test_other_commands_would_not(command):
    with pytest.raises(WrongCommand):
        check_block(Block(ROOT / "README.md", "bash", command, None), DEFAULT_RECIPE)
