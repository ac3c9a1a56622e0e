"""CTC/attention recognizers of word pieces: what the recipes of all corpora share."""

from collections.abc import Callable
from typing import Any

import speechbrain as sb
from speechbrain.dataio.batch import PaddedBatch
from speechbrain.utils.distributed import infer_device
from torch import Tensor

from lact_modules.data.subwords import SubwordVocabulary
from lact_modules.decoding.ctc import GreedyDecoder
from lact_modules.encoders import S2SOutput
from lact_modules.inference.decoders import decoding_steps
from lact_modules.inference.trained_model import TrainedModel
from lact_modules.training.brain import ASRBrain
from lact_modules.training.experiment import make_datasets, train_and_test
from lact_modules.training.initialization import start_from
from lact_modules.training.losses import (
    count_tokens,
    ctc_losses,
    token_losses,
    with_start,
)
from lact_modules.training.manifests import prepare_manifests
from lact_modules.training.tokenizer import prepare_tokenizer


class S2SBrain(ASRBrain):
    """CTC and attention over word pieces, their losses weighted (arXiv 1609.06773).

    Arguments are those of `ASRBrain`; reads ``ctc_weight`` and ``label_smoothing``
    from the YAML too.
    """

    def compute_forward(self, batch: PaddedBatch, stage: sb.Stage) -> S2SOutput:
        """Score tokens by frame, and by the tokens before them."""
        batch = batch.to(self.device)
        tokens = with_start(batch.tokens.data, SubwordVocabulary.bos_id)
        return self.run_model(batch, stage, tokens=tokens)

    def utterance_losses(
        self, outputs: S2SOutput, batch: PaddedBatch, stage: sb.Stage
    ) -> tuple[Tensor, Tensor]:
        """Add the losses of each utterance; one too short for CTC has attention's."""
        tokens, num_tokens = batch.tokens.data, count_tokens(batch.tokens)
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


def run_s2s(
    hparams: dict[str, Any],
    run_opts: Any,
    command: list[str],
    *,
    prepare: Callable[..., Any],
    recipe: str,
) -> None:
    """Prepare data and tokenizer, train, test, and write the results.

    Arguments
    ---------
    hparams : dict[str, Any]
        Of the recipe's YAML, objects made.
    run_opts : Any
        SpeechBrain's run options.
    command : list[str]
        ``sys.argv``.
    prepare : Callable[..., Any]
        See `prepare_manifests`.
    recipe : str
        Folder below ``recipes/``.

    Raises
    ------
    InputError
        If the data or the YAML are at fault.
    """
    manifests = prepare_manifests(hparams, prepare)
    vocabulary = prepare_tokenizer(hparams, manifests.train_texts)
    datasets = make_datasets(hparams, manifests, vocabulary)
    start_from(hparams, vocabulary)
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
    train_and_test(brain, datasets, hparams, command, recipe)
