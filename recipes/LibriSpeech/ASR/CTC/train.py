#!/usr/bin/env python
"""Train and test a CTC recognizer on a corpus in LibriSpeech's layout.

python train.py hparams/lact_demo.yaml --data_folder /path/to/LibriSpeech

Run it again to resume. Any key of the YAML file can be set on the command line;
SpeechBrain's run options (``--device``, ``--precision bf16``, ...) work too.
"""

import logging
import os
from pathlib import Path
from typing import Any

import speechbrain as sb
import torch
from speechbrain.dataio.batch import PaddedBatch
from speechbrain.utils.distributed import run_on_main
from torch import Tensor

from lact_modules.data.librispeech import prepare_librispeech
from lact_modules.data.vocabulary import Vocabulary
from lact_modules.decoding.ctc import build_decoder
from lact_modules.errors import InputError
from lact_modules.training.brain import ASRBrain
from lact_modules.training.dataset import (
    make_batch_sampler,
    make_dataset,
    read_manifests,
)
from lact_modules.training.guard import infeasible
from lact_modules.training.launch import launch
from lact_modules.training.measure import measure_split
from lact_modules.training.plots import plot_learning_curves
from lact_modules.training.result import write_result

logger = logging.getLogger(__name__)


class CTCBrain(ASRBrain):
    """CTC over characters."""

    def compute_forward(
        self, batch: PaddedBatch, stage: sb.Stage
    ) -> tuple[Tensor, Tensor]:
        """Give log-probabilities (B, T, V) and numbers of frames (B,)."""
        batch = batch.to(self.device)
        signals, relative_lengths = batch.signal
        augment = None
        if stage == sb.Stage.TRAIN:
            signals, relative_lengths = self.hparams.wav_augment(
                signals, relative_lengths
            )
            augment = self._augment_features
        lengths = (relative_lengths * signals.shape[1]).round().long()
        return self.modules.model(signals, lengths, augment)

    def _augment_features(self, features: Tensor, lengths: Tensor) -> Tensor:
        return self.hparams.fea_augment(features, lengths / features.shape[1])[0]

    def utterance_losses(
        self, outputs: tuple[Tensor, Tensor], batch: PaddedBatch, stage: sb.Stage
    ) -> tuple[Tensor, Tensor]:
        """CTC loss of each utterance; those that cannot be aligned count as 0."""
        log_probs, frames = outputs
        tokens, relative_lengths = batch.tokens
        num_labels = (relative_lengths * tokens.shape[1]).round().long()
        is_infeasible = infeasible(tokens, num_labels, frames)
        if stage == sb.Stage.TRAIN:
            self.num_infeasible += int(is_infeasible.sum())
        losses = torch.nn.functional.ctc_loss(
            # (B, T, V) -> (T, B, V)
            log_probs.transpose(0, 1),
            tokens,
            frames,
            num_labels,
            reduction="none",
            zero_infinity=True,
        )
        return losses, num_labels * ~is_infeasible


def main(hparams: dict[str, Any], run_opts: Any, command: list[str]) -> None:
    """Prepare the data, train, test, and write the results."""
    vocabulary = make_vocabulary(hparams)
    datasets = prepare_datasets(hparams, vocabulary)
    brain = CTCBrain(
        decoders=make_decoders(hparams, vocabulary),
        modules=hparams["modules"],
        opt_class=hparams["opt_class"],
        hparams=hparams,
        run_opts=run_opts,
        checkpointer=hparams["checkpointer"],
    )
    loader_options = {"num_workers": hparams["num_workers"]}
    test_options = {**loader_options, "batch_size": hparams["valid_batch_size"]}
    brain.train(
        datasets["train"],
        datasets["dev"],
        make_batch_sampler(
            datasets["train"],
            hparams["max_batch_length"],
            hparams["max_batch_size"],
            seed=hparams["seed"],
            # set by torchrun
            num_ranks=int(os.environ.get("WORLD_SIZE", 1)),
        ),
        loader_options,
        test_options,
    )
    metrics = {
        split: measure_split(brain, split, datasets[split], test_options)
        for split in hparams["test_splits"]
    }
    run_on_main(write_results, args=[hparams, brain, metrics, command])


def make_vocabulary(hparams: dict[str, Any]) -> Vocabulary:
    """Make the characters' vocabulary, and check that the model fits it."""
    vocabulary = Vocabulary.from_texts([hparams["characters"]])
    if len(vocabulary) != hparams["num_tokens"]:
        raise InputError(
            f"num_tokens: {hparams['num_tokens']}, but 'characters', blank and word "
            f"delimiter make {len(vocabulary)}; set it to that"
        )
    path = Path(hparams["output_folder"]) / "vocabulary.txt"
    run_on_main(save_vocabulary, args=[vocabulary, path])
    return vocabulary


def save_vocabulary(vocabulary: Vocabulary, path: Path) -> None:
    """Write the vocabulary, unless the run began with another one."""
    if path.exists() and Vocabulary.load(path) != vocabulary:
        raise InputError(
            f"{path}: differs from the YAML key 'characters'; take another "
            "output_folder or the characters that this run began with"
        )
    vocabulary.save(path)


def prepare_datasets(hparams: dict[str, Any], vocabulary: Vocabulary) -> dict[str, Any]:
    """Write manifests and make the datasets ``train``, ``dev`` and each test split."""
    folder = Path(hparams["output_folder"]) / "manifests"
    splits = [*hparams["train_splits"], *hparams["dev_splits"], *hparams["test_splits"]]
    run_on_main(
        prepare_librispeech,
        kwargs={
            "data_folder": hparams["data_folder"],
            "manifest_folder": folder,
            "splits": list(dict.fromkeys(splits)),
        },
    )

    def dataset(names: list[str], max_duration: float | None = None) -> Any:
        manifests = [folder / f"{name}.jsonl" for name in names]
        return make_dataset(
            read_manifests(manifests, max_duration), vocabulary, hparams["in_memory"]
        )

    return {
        **{name: dataset([name]) for name in hparams["test_splits"]},
        "train": dataset(hparams["train_splits"], hparams["max_train_duration"]),
        "dev": dataset(hparams["dev_splits"]),
    }


def make_decoders(hparams: dict[str, Any], vocabulary: Vocabulary) -> dict[str, Any]:
    """Make the greedy decoder, and that of the YAML key ``decoding`` if it differs."""
    frame_rate = hparams["model"].frame_rate
    decoders = {"greedy": build_decoder(vocabulary, frame_rate)}
    options = hparams["decoding"]
    if options["beam_size"] > 1:
        name = "beam+lm" if options["lm"] else "beam"
        decoders[name] = build_decoder(vocabulary, frame_rate, **options)
    return decoders


def write_results(
    hparams: dict[str, Any], brain: CTCBrain, metrics: dict, command: list[str]
) -> None:
    """Write ``result.json`` and the learning curves."""
    folder = Path(hparams["output_folder"])
    plots = plot_learning_curves(folder / "metrics.jsonl", folder / "plots")
    write_result(
        folder / "result.json",
        metrics,
        recipe="LibriSpeech/ASR/CTC",
        model=Path(command[1]).stem,
        dataset=hparams["dataset_name"],
        parameters=sum(p.numel() for p in brain.modules.model.parameters()),
        seed=hparams["seed"],
        command=command,
        device=brain.device,
        # 0 if an earlier run has trained
        training_wall_s=brain.training_wall_s or None,
    )
    logger.info("results in %s, curves in %s", folder, plots[0].parent)


if __name__ == "__main__":
    launch(main)
