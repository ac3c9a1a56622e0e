"""Exports for transformers of the tiny runs; not to be changed."""

import pytest

from lact_modules.data.text.subwords import SubwordVocabulary
from lact_modules.hf.export import export_for_transformers
from tests.unit.conftest import make_run, streaming_hyperparameters


@pytest.fixture(scope="session")
def exported(trained_run, tmp_path_factory):
    """Export a model of characters."""
    folder = tmp_path_factory.mktemp("characters") / "export"
    export_for_transformers(trained_run, folder)
    return folder


@pytest.fixture(scope="session")
def exported_pieces(tmp_path_factory):
    """Export a model of word pieces, which outputs several of them."""
    # of which all releases of SentencePiece make the same pieces
    texts = ["AB BA", "DAB CAB", "A BAD CAB", "ABBA"]
    vocabulary = SubwordVocabulary.train(texts, 14)
    hyperparameters = streaming_hyperparameters().replace(
        "num_tokens: 6", f"num_tokens: {len(vocabulary)}"
    )
    run = make_run(tmp_path_factory.mktemp("run"), hyperparameters, vocabulary)
    folder = tmp_path_factory.mktemp("pieces") / "export"
    export_for_transformers(run, folder)
    return folder
