"""Published methods of test-time adaptation, to compare with."""

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

TENT = replace(SUTA, loss="entropy", parameters=("norms",))
"""TENT (arXiv 2006.10726), reset after each utterance as SUTA is."""
