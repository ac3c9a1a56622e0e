"""Measure a trained model on a split."""

import logging
import time
from pathlib import Path
from typing import Any

from speechbrain.core import Stage
from speechbrain.dataio.dataset import DynamicItemDataset
from speechbrain.utils.distributed import run_on_main

from lact_modules.scoring.likeness import describe_likeness
from lact_modules.scoring.report import write_error_report
from lact_modules.scoring.transcripts import write_transcripts
from lact_modules.training.brain import ASRBrain

logger = logging.getLogger(__name__)


def measure_split(
    brain: ASRBrain, split: str, dataset: DynamicItemDataset, options: dict[str, Any]
) -> dict[str, dict[str, Any]]:
    """Transcribe a split with the averaged checkpoints; write the transcripts.

    The run's folder gets ``wer_<split>.txt`` with alignments and
    ``transcripts_<split>.jsonl``; decoders other than the first have their names
    before the ending, as in ``wer_<split>_<decoder>.txt``. Of the metrics by decoder,
    the real-time factor includes loading and model; ``infeasible`` counts utterances
    with too few frames for CTC, ``unreadable`` those skipped; ``keep_ratio`` is the
    share of frames that began segments.
    """
    started = time.perf_counter()
    brain.evaluate(dataset, test_loader_kwargs=dict(options))
    transcripts = brain.transcripts
    model_s = time.perf_counter() - started - transcripts.all_decoding_s
    audio_s = sum(entry["duration"] for entry in dataset.data.values())
    metrics = {}
    for name, hypotheses in transcripts.hypotheses.items():
        rates = transcripts.rates(name)
        wall_s = model_s + transcripts.decoding_s[name]
        metrics[name] = {**vars(rates), "rtf": wall_s / audio_s}
        metrics[name]["infeasible"] = brain.num_infeasible[Stage.TEST]
        metrics[name]["unreadable"] = len(brain.unreadable[Stage.TEST])
        if brain.auxiliary.chunking is not None:
            metrics[name]["keep_ratio"] = brain.auxiliary.chunking.keep_ratio
        oracle_wer = transcripts.oracle_wer(name)
        if oracle_wer is not None:
            metrics[name]["oracle_wer"] = oracle_wer
        suffix = "" if name == brain.first_decoder else f"_{name}"
        folder = Path(brain.hparams.output_folder)
        texts = [transcripts.ids, transcripts.references, hypotheses]
        report = folder / f"wer_{split}{suffix}.txt"
        run_on_main(write_error_report, args=[report, *texts])
        pairs = folder / f"transcripts_{split}{suffix}.jsonl"
        run_on_main(write_transcripts, args=[pairs, *texts])
        logger.info(
            "%s, %s: WER %.2f %% [%.2f, %.2f], CER %.2f %%",
            *(split, name, rates.wer, *rates.wer_interval, rates.cer),
        )
        if hint := describe_likeness(transcripts.references, hypotheses):
            logger.warning("%s, %s: %s", split, name, hint)
    return metrics
