"""Published methods of test-time adaptation."""

from dataclasses import replace

from lact_modules.adaptation.settings import Settings

SUTA = Settings(
    loss="suta",
    parameters=("norms", "front_end"),
    optimizer="adamw",
    lr=2e-5,
    steps=10,
    is_gated=False,
)
"""SUTA (arXiv 2203.14222), with the published rate, which is for wav2vec2-base."""

SUTA_FAITHFUL = replace(SUTA, frontend_repeats=4)
"""SUTA as its published code runs: it finds the parameters of a convolution once for
each module that they are in, and the optimizer moves them as often."""

NOISY_STUDENT = Settings(
    loss="pseudo_labels",
    parameters=("all",),
    optimizer="adamw",
    lr=1e-4,
    steps=5,
    mode="recording",
)
"""Noisy-student training on a recording (arXiv 2406.12937): five passes over its
pieces. The published code moves all parameters by MADGRAD at 9e-5."""

TENT = replace(SUTA, loss="entropy", parameters=("norms",))
"""TENT (arXiv 2006.10726), reset after each utterance as SUTA is."""
