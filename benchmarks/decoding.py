"""Measure how much faster than real time CTC decoding runs, on one core.

Without ``--log-probs`` it decodes made-up speech: sentences of random words whose
frames are mostly sure of their token, with a trigram of such sentences. A saved file
is a dictionary ``{"log_probs": (B, T, V), "lengths": (B,)}`` by ``torch.save``.
"""

import json
import os
import platform
import random
import string
import tempfile
import time
from pathlib import Path
from typing import Annotated

import torch
import typer
from program import run_program
from torch import Tensor

from lact_modules.data.text.vocabulary import Vocabulary
from lact_modules.decoding.ctc import BeamDecoder
from lact_modules.language_model.arpa import write_arpa
from lact_modules.language_model.ngram import estimate_ngrams

NUM_WORDS, NUM_SENTENCES, SENTENCE_WORDS, BATCH = 5000, 20000, 20, 32


def make_sentences(generator: random.Random) -> list[str]:
    """Make sentences of random words, some words much more frequent than others."""
    words = [
        "".join(generator.choices(string.ascii_uppercase, k=generator.randint(2, 9)))
        for _ in range(NUM_WORDS)
    ]
    weights = [1 / rank for rank in range(1, NUM_WORDS + 1)]
    return [
        " ".join(generator.choices(words, weights, k=SENTENCE_WORDS))
        for _ in range(NUM_SENTENCES)
    ]


def make_log_probs(ids: list[int], num_tokens: int) -> Tensor:
    """Speak tokens, each for one frame and followed by a blank: (2 N, V)."""
    frames = torch.zeros(2 * len(ids), dtype=torch.int64)
    frames[::2] = torch.tensor(ids)
    logits = 2.0 * torch.randn(len(frames), num_tokens)
    logits[torch.arange(len(frames)), frames] += 8.0
    return logits.log_softmax(-1)


def main(
    beam_size: int = 50,
    beam_threshold: float = 25.0,
    frame_rate: float = 25.0,
    lm: Annotated[Path | None, typer.Option(help="Default: a made-up trigram.")] = None,
    log_probs: Annotated[Path | None, typer.Option(help="Saved output.")] = None,
    vocabulary: Annotated[Path | None, typer.Option(help="Goes with it.")] = None,
) -> None:
    """Print one JSON object of what was measured."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    sentences = make_sentences(random.Random(0))
    if log_probs is not None and vocabulary is not None:
        tokens = Vocabulary.load(vocabulary)
        saved = torch.load(log_probs, weights_only=True)
        batch, lengths = saved["log_probs"], saved["lengths"]
    else:
        tokens = Vocabulary.from_texts(sentences)
        spoken = [tokens.encode(sentence) for sentence in sentences[:BATCH]]
        made = [make_log_probs(ids, len(tokens)) for ids in spoken]
        lengths = torch.tensor([len(frames) for frames in made])
        batch = torch.nn.utils.rnn.pad_sequence(made, batch_first=True)
    with tempfile.TemporaryDirectory() as folder:
        if lm is None:
            lm = Path(folder) / "made_up.arpa"
            write_arpa(lm, estimate_ngrams(sentences[BATCH:], order=3))
        decoder = BeamDecoder(
            tokens, frame_rate, beam_size, lm, beam_threshold=beam_threshold
        )
    start = time.perf_counter()
    decoder(batch, lengths)
    seconds = time.perf_counter() - start
    frames = int(lengths.sum())
    report = {
        "utterances": len(lengths),
        "frames": frames,
        "audio_s": frames / frame_rate,
        "seconds": round(seconds, 3),
        "real_time_ratio": round(frames / frame_rate / seconds, 1),
        "beam_size": beam_size,
        "beam_threshold": beam_threshold,
        "lm": lm.name,
        "threads": 1,
        "torch": torch.__version__,
        "hardware": f"{platform.machine()} {torch.backends.cpu.get_cpu_capability()}",
        "cores": os.cpu_count(),
    }
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    run_program(main)
