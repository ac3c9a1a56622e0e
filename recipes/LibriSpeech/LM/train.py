#!/usr/bin/env python
"""Train and test a Transformer language model on transcripts and other text.

python train.py hparams/transformer.yaml --data_folder /path/to/LibriSpeech

Run it again to resume. Any key of the YAML file can be set on the command line;
SpeechBrain's run options (``--device``, ``--precision bf16``, ...) work too.
"""

import logging
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

# reports on one line if torchaudio does not fit torch, where SpeechBrain would fail
import lact_modules.training  # noqa: F401

# isort: split
import speechbrain as sb
from speechbrain.dataio.batch import PaddedBatch
from speechbrain.utils.distributed import run_on_main
from torch import Tensor

from lact_modules.data.corpus.librispeech import read_transcripts
from lact_modules.data.text.subwords import SubwordVocabulary
from lact_modules.data.text.token_store import TokenStore, write_token_store
from lact_modules.data.token_batches import TokenBatchSampler, cut_batches
from lact_modules.decoders.losses import token_losses, with_start
from lact_modules.language_model.transformer_lm import use_boolean_masks
from lact_modules.training.batch.speech_batch import count_valid
from lact_modules.training.dataset.manifests import (
    DataSources,
    read_held_out_texts,
    read_train_texts,
)
from lact_modules.training.experiment import write_results
from lact_modules.training.from_keys import from_keys
from lact_modules.training.launch import launch
from lact_modules.training.loop import RecipeBrain
from lact_modules.training.objective.batch_loss import BatchLoss
from lact_modules.training.option import keys
from lact_modules.training.parallel.main_process import num_processes
from lact_modules.training.vocabulary.first_try import vocabulary_kept_on_success
from lact_modules.training.vocabulary.tokenizer import OutputUnits, prepare_tokenizer

logger = logging.getLogger(__name__)


class LMBrain(RecipeBrain):
    """Each token by those before it, and the end by all."""

    def __init__(self, vocabulary: SubwordVocabulary, **brain_arguments: Any):
        super().__init__(**brain_arguments)
        self.vocabulary = vocabulary
        use_boolean_masks(self.hparams.model)

    def compute_forward(self, batch: PaddedBatch, stage: sb.Stage) -> Tensor:
        """Return log-probabilities (B, U + 1, V) of what follows each token."""
        batch = batch.to(self.device)
        logits = self.model(with_start(batch.tokens.data, self.vocabulary.bos_id))
        return logits.float().log_softmax(dim=-1)

    def compute_objectives(
        self, predictions: Tensor, batch: PaddedBatch, stage: sb.Stage
    ) -> BatchLoss:
        """Average cross-entropy over all tokens; the end of a text counts as one."""
        tokens, num_tokens = batch.tokens.data, count_valid(batch.tokens)
        losses = token_losses(predictions, tokens, num_tokens, self.vocabulary.eos_id)
        if stage != sb.Stage.TRAIN:
            self.nats += losses.double().sum().item()
            self.num_tokens += int((num_tokens + 1).sum())
        return BatchLoss.average(losses, num_tokens + 1)

    def on_stage_start(self, stage: sb.Stage, epoch: int | None = None) -> None:
        """Begin to count anew."""
        super().on_stage_start(stage, epoch)
        self.nats, self.num_tokens = 0.0, 0

    def validation_metrics(self, stage_loss: float) -> dict[str, float]:
        """Average over the tokens of all batches, not over batches."""
        loss = self.nats / self.num_tokens
        return {"loss": loss, "perplexity": math.exp(loss)}

    def show_sample(self, batch: PaddedBatch, outputs: Tensor) -> None:
        """Log a text, and the best guess at each of its tokens."""
        decode = self.vocabulary.decode
        logger.info(
            "step %d, sample %s\n  reference: %s\n  predicted: %s",
            self.optimizer_step,
            batch.id[0],
            decode(batch.tokens.data[0].tolist()),
            decode(outputs[0].argmax(dim=-1).tolist()),
        )


def main(hparams: dict[str, Any], run_opts: Any, command: list[str]) -> None:
    """Tokenize the texts, train, test, and write the results."""
    sources = from_keys(DataSources, hparams)
    train_texts = read_train_texts(sources, read_transcripts)
    dev_texts = read_held_out_texts(sources, "dev", read_transcripts)
    test_texts = read_held_out_texts(sources, "test", read_transcripts)
    further_texts = hparams["text_files"]
    all_dev_texts = [text for texts in dev_texts.values() for text in texts]
    with vocabulary_kept_on_success(hparams["output_folder"]):
        vocabulary = prepare_tokenizer(
            from_keys(OutputUnits, hparams), lambda: train_texts
        )
        train_set = tokenize(hparams, vocabulary, "train", train_texts, further_texts)
        dev_set = tokenize(hparams, vocabulary, "dev", all_dev_texts)
    brain = LMBrain(
        vocabulary,
        modules=hparams["modules"],
        opt_class=hparams["opt_class"],
        hparams=hparams,
        run_opts=run_opts,
        checkpointer=hparams["checkpointer"],
    )
    options = {"num_workers": hparams["num_workers"], "collate_fn": PaddedBatch}
    sampler = TokenBatchSampler(
        train_set.lengths + 1,
        hparams["max_batch_tokens"],
        hparams["seed"],
        num_ranks=num_processes(),
    )
    test_options = {**options, "batch_sampler": batches_of(dev_set, hparams)}
    brain.train(train_set, dev_set, sampler, options, test_options)
    metrics = {}
    for name, texts in (dev_texts | test_texts).items():
        test_set = tokenize(hparams, vocabulary, name, texts)
        test_options = {**options, "batch_sampler": batches_of(test_set, hparams)}
        measured = measure(brain, test_set, test_options)
        metrics[name] = {"transformer": measured}
        logger.info(
            "%s: perplexity %.2f per token, %.2f per word",
            *(name, measured["perplexity"], measured["word_perplexity"]),
        )
    arguments = [hparams, brain, metrics, command, "LibriSpeech/LM"]
    run_on_main(write_results, args=arguments)


def tokenize(
    hparams: dict[str, Any],
    vocabulary: SubwordVocabulary,
    name: str,
    texts: list[str],
    files: Sequence[str] = (),
) -> TokenStore:
    """Tokenize texts, and those of files."""
    folder = Path(hparams["output_folder"]) / "tokens" / name
    run_on_main(
        write_token_store,
        kwargs={
            "folder": folder,
            "vocabulary": vocabulary,
            "texts": texts,
            "files": files,
            "max_tokens": hparams["max_text_tokens"],
        },
    )
    store = TokenStore(folder)
    if store.num_left_out:
        logger.warning(
            "%s: %d texts have more than %d tokens and are skipped; raise "
            "max_text_tokens or split them",
            *(name, store.num_left_out, hparams["max_text_tokens"]),
        )
    return store


def batches_of(store: TokenStore, hparams: dict[str, Any]) -> list[list[int]]:
    """Make batches for testing."""
    batches = cut_batches(store.lengths + 1, hparams["max_batch_tokens"])
    return [batch.tolist() for batch in batches]


def measure(
    brain: LMBrain, test_set: TokenStore, options: dict[str, Any]
) -> dict[str, float]:
    """Compute perplexities, the ends of texts included, with averaged checkpoints."""
    brain.evaluate(test_set, test_loader_kwargs=dict(options))
    num_words = test_set.num_words + len(test_set)
    return {
        "perplexity": math.exp(brain.nats / brain.num_tokens),
        "word_perplexity": math.exp(brain.nats / num_words),
        "log_prob": -brain.nats,
        "num_tokens": brain.num_tokens,
        "num_words": num_words,
        "num_texts": len(test_set),
    }


if __name__ == "__main__":
    launch(main, keys.LANGUAGE_MODEL)
