"""CTC recognizers of characters."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import speechbrain as sb
from speechbrain.dataio.batch import PaddedBatch
from speechbrain.utils.distributed import run_on_main
from torch import Tensor

from lact_modules.data.vocabulary import Vocabulary
from lact_modules.errors import InputError
from lact_modules.training.brain import ASRBrain
from lact_modules.training.losses import count_tokens, ctc_losses


class CTCBrain(ASRBrain):
    """CTC over characters, and masked prediction where the model has enabled it.

    Arguments are those of `ASRBrain`; reads ``ttt_loss_weight`` from the YAML too.
    """

    @classmethod
    def make_vocabulary(
        cls, hparams: dict[str, Any], read_texts: Callable[[], Sequence[str]]
    ) -> Vocabulary:
        """Make a vocabulary of characters, see `make_vocabulary`."""
        return make_vocabulary(hparams, read_texts)

    def compute_forward(
        self, batch: PaddedBatch, stage: sb.Stage
    ) -> tuple[Tensor, ...]:
        """Give log-probabilities (B, T, V), numbers of frames (B,), masked losses."""
        return self.run_model(batch.to(self.device), stage)

    def utterance_losses(
        self, outputs: tuple[Tensor, ...], batch: PaddedBatch, stage: sb.Stage
    ) -> tuple[Tensor, Tensor]:
        """CTC loss of each utterance; those that cannot be aligned count as 0."""
        log_probs, frames, *masked = outputs
        num_tokens = count_tokens(batch.tokens)
        losses, is_infeasible = ctc_losses(
            log_probs, frames, batch.tokens.data, num_tokens
        )
        # an error a frame, beside losses that are shared out among labels
        for masked_losses in masked:
            losses = losses + self.hparams.ttt_loss_weight * masked_losses * num_tokens
        if stage == sb.Stage.TRAIN:
            self.num_infeasible += int(is_infeasible.sum())
        return losses, num_tokens * ~is_infeasible


def make_vocabulary(
    hparams: dict[str, Any], read_texts: Callable[[], Sequence[str]]
) -> Vocabulary:
    """Make the characters' vocabulary, and see that the model fits it.

    Arguments
    ---------
    hparams : dict[str, Any]
        ``characters``, None for those that the run began with or else those of the
        texts; ``num_tokens``, None to size the output layer of ``model`` to them;
        ``output_folder``, which gets ``vocabulary.txt``.
    read_texts : Callable[[], Sequence[str]]
        Gives the transcripts to learn from, if need be.

    Returns
    -------
    Vocabulary
        As many tokens as the model has outputs.

    Raises
    ------
    InputError
        If the model has another number of tokens, or the run began with others.
    """
    path = Path(hparams["output_folder"]) / Vocabulary.file_name
    run_on_main(_write_vocabulary, args=[path, hparams, read_texts])
    vocabulary = Vocabulary.load(path)
    if hparams["num_tokens"] is None:
        hparams["model"].set_num_tokens(len(vocabulary))
    return vocabulary


def _write_vocabulary(
    path: Path, hparams: dict[str, Any], read_texts: Callable[[], Sequence[str]]
) -> None:
    """Write the vocabulary, unless the run began with another one."""
    characters = hparams["characters"]
    if characters is not None:
        vocabulary = Vocabulary.from_texts([characters])
    elif path.exists():
        vocabulary = Vocabulary.load(path)
    else:
        vocabulary = Vocabulary.from_texts(read_texts())
    if hparams["num_tokens"] not in (None, len(vocabulary)):
        raise InputError(
            f"num_tokens: {hparams['num_tokens']}, but characters, blank and word "
            f"delimiter make {len(vocabulary)}; set it to that, or to null"
        )
    if path.exists() and Vocabulary.load(path) != vocabulary:
        raise InputError(
            f"{path}: differs from the YAML key 'characters'; take another "
            "output_folder or the characters that this run began with"
        )
    vocabulary.save(path)
