#!/usr/bin/env python
"""Train and test a CTC/attention recognizer on a corpus in LibriSpeech's layout.

python train.py hparams/lact_small.yaml --data_folder /path/to/LibriSpeech

Run it again to resume. Any key of the YAML file can be set on the command line;
SpeechBrain's run options (``--device``, ``--precision bf16``, ...) work too.
"""

from typing import Any

import speechbrain as sb
from speechbrain.dataio.batch import PaddedBatch
from speechbrain.utils.distributed import infer_device
from torch import Tensor

from lact_modules.data.librispeech import prepare_librispeech
from lact_modules.data.subwords import SubwordVocabulary
from lact_modules.decoding.corpus import read_sentences
from lact_modules.decoding.ctc import GreedyDecoder
from lact_modules.encoders import S2SOutput
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
from lact_modules.training.tokenizer import prepare_tokenizer


class S2SBrain(ASRBrain):
    """CTC and attention over word pieces, their losses weighted (arXiv 1609.06773)."""

    def compute_forward(self, batch: PaddedBatch, stage: sb.Stage) -> S2SOutput:
        """Score tokens by frame, and by the tokens before them."""
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
        assert outputs.token_log_probs is not None
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
    transcripts = [manifests / f"{split}.jsonl" for split in hparams["train_splits"]]
    vocabulary = prepare_tokenizer(hparams, lambda: read_sentences(transcripts))
    datasets = make_datasets(hparams, manifests, vocabulary)
    trained = TrainedModel(hparams["model"], vocabulary, description=None)
    device = run_opts.device or infer_device()
    brain = S2SBrain(
        decoders={
            # judges checkpoints after each epoch: quicker than attention
            "ctc": GreedyDecoder(vocabulary, hparams["model"].frame_rate),
            **decoding_steps(trained, device=device, **hparams["decoding"]),
        },
        modules=hparams["modules"],
        opt_class=hparams["opt_class"],
        hparams=hparams,
        run_opts=run_opts,
        checkpointer=hparams["checkpointer"],
    )
    train_and_test(brain, datasets, hparams, command, "LibriSpeech/ASR/transformer")


if __name__ == "__main__":
    launch(main)
