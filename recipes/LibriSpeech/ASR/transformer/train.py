#!/usr/bin/env python
"""Train and test a CTC/attention recognizer on a corpus in LibriSpeech's layout.

python train.py hparams/lact_small.yaml --data_folder /path/to/LibriSpeech

Run it again to resume. Any key of the YAML file can be set on the command line;
SpeechBrain's run options (``--device``, ``--precision bf16``, ...) work too.
"""

from pathlib import Path
from typing import Any

import speechbrain as sb
from speechbrain.dataio.batch import PaddedBatch
from speechbrain.utils.distributed import run_on_main
from torch import Tensor

from lact_modules.data.librispeech import prepare_librispeech
from lact_modules.data.subwords import SubwordVocabulary
from lact_modules.decoding.corpus import read_sentences
from lact_modules.decoding.ctc import GreedyDecoder
from lact_modules.encoders import S2SOutput
from lact_modules.errors import InputError
from lact_modules.inference.decoders import decoding_steps
from lact_modules.inference.trained_model import TrainedModel
from lact_modules.training.brain import ASRBrain
from lact_modules.training.experiment import (
    make_datasets,
    prepare_manifests,
    train_and_test,
)
from lact_modules.training.launch import launch
from lact_modules.training.losses import ctc_losses, token_losses, with_start
from lact_modules.training.transcripts import Decoder


class S2SBrain(ASRBrain):
    """CTC and attention over word pieces, their losses weighted (arXiv 1609.06773)."""

    def compute_forward(self, batch: PaddedBatch, stage: sb.Stage) -> S2SOutput:
        """Score tokens by frame, and each token by those before it."""
        batch = batch.to(self.device)
        tokens = with_start(batch.tokens.data, SubwordVocabulary.bos_id)
        return self.run_model(batch, stage, tokens=tokens)

    def utterance_losses(
        self, outputs: S2SOutput, batch: PaddedBatch, stage: sb.Stage
    ) -> tuple[Tensor, Tensor]:
        """Add the losses of each utterance; one too short for CTC has attention's."""
        tokens, relative_lengths = batch.tokens
        num_tokens = (relative_lengths * tokens.shape[1]).round().long()
        ctc, is_infeasible = ctc_losses(
            outputs.log_probs, outputs.lengths, tokens, num_tokens
        )
        if stage == sb.Stage.TRAIN:
            self.num_infeasible += int(is_infeasible.sum())
        attention = token_losses(
            outputs.token_log_probs,
            tokens,
            num_tokens,
            SubwordVocabulary.eos_id,
            self.hparams.label_smoothing,
        )
        weight = self.hparams.ctc_weight
        return weight * ctc + (1 - weight) * attention, num_tokens


def main(hparams: dict[str, Any], run_opts: Any, command: list[str]) -> None:
    """Prepare data and tokenizer, train, test, and write the results."""
    manifests = prepare_manifests(hparams, prepare_librispeech)
    vocabulary = make_vocabulary(hparams, manifests)
    datasets = make_datasets(hparams, manifests, vocabulary)
    brain = S2SBrain(
        decoders=make_decoders(hparams, vocabulary),
        modules=hparams["modules"],
        opt_class=hparams["opt_class"],
        hparams=hparams,
        run_opts=run_opts,
        checkpointer=hparams["checkpointer"],
    )
    train_and_test(brain, datasets, hparams, command, "LibriSpeech/ASR/transformer")


def make_vocabulary(hparams: dict[str, Any], manifests: Path) -> SubwordVocabulary:
    """Load or train the tokenizer, and check that the model fits it."""
    path = Path(hparams["output_folder"]) / SubwordVocabulary.file_name
    run_on_main(save_vocabulary, args=[hparams, manifests, path])
    vocabulary = SubwordVocabulary.load(path)
    if len(vocabulary) != hparams["num_tokens"]:
        raise InputError(
            f"num_tokens: {hparams['num_tokens']}, but {hparams['tokenizer'] or path} "
            f"has {len(vocabulary)}; set it to that"
        )
    return vocabulary


def save_vocabulary(hparams: dict[str, Any], manifests: Path, path: Path) -> None:
    """Write the tokenizer, unless the run began with another one."""
    if hparams["tokenizer"]:
        vocabulary = SubwordVocabulary.load(hparams["tokenizer"])
        if path.exists() and SubwordVocabulary.load(path) != vocabulary:
            raise InputError(
                f"{path}: differs from the YAML key 'tokenizer'; take another "
                "output_folder or the tokenizer that this run began with"
            )
    elif path.exists():
        return
    else:
        texts = read_sentences(
            manifests / f"{split}.jsonl" for split in hparams["train_splits"]
        )
        vocabulary = SubwordVocabulary.train(texts, hparams["num_tokens"])
    vocabulary.save(path)


def make_decoders(
    hparams: dict[str, Any], vocabulary: SubwordVocabulary
) -> dict[str, Decoder]:
    """Make CTC's greedy decoder, and those that the key ``decoding`` asks for."""
    trained = TrainedModel(hparams["model"], vocabulary, description=None)
    return {
        # judges checkpoints: quicker than attention, and no worse at it
        "ctc": GreedyDecoder(vocabulary, hparams["model"].frame_rate),
        **decoding_steps(trained, **hparams["decoding"]),
    }


if __name__ == "__main__":
    launch(main)
