import pytest

from lact_modules.data.text.subwords import SubwordVocabulary
from lact_modules.model_store.export import export_model
from lact_modules.model_store.trained_model import load_run

# two letters that the memorized sentences do not need, without the apostrophe
OTHER_CHARACTERS = {"characters": "ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖ", "num_tokens": 30}
S2S = {"d_ffn": 64, "num_tokens": 40, "num_layers": 1, "num_decoder_layers": 1}


@pytest.fixture
def tune(train, by_heart, memorized, tmp_path):
    def run(folder=tmp_path / "run", **options):
        start = {"init_from": memorized.folder, "num_epochs": 1}
        return train(folder, **{**by_heart, **OTHER_CHARACTERS, **start, **options})

    return run


@pytest.fixture(scope="module")
def trained_s2s(train, tmp_path_factory):
    folder = tmp_path_factory.mktemp("s2s")
    return train(folder, recipe="ASR/transformer", **S2S)


def assert_same_start(model, vocabulary, trained):
    """Check all that two models share, token by token."""
    given = trained.model.state_dict()
    ids = {token: index for index, token in enumerate(trained.vocabulary.tokens)}
    is_shared = [token in ids for token in vocabulary.tokens]
    rows = [ids[token] for token in vocabulary.tokens if token in ids]
    assert 5 < len(rows) < len(vocabulary)
    for name, tensor in model.items():
        if len(tensor) == len(vocabulary):
            assert tensor[is_shared].equal(given[name][rows]), name
        else:
            assert tensor.equal(given[name]), name


def test_what_was_learned_is_known_from_the_first_step(tune, memorized):
    run = tune()
    assert run.code == 0, run.error
    from_scratch = memorized.metrics("train")[0]["loss"]
    assert run.metrics("train")[0]["loss"] < from_scratch / 2
    assert "28 are shared, 2 new (Ä Ö), 1 dropped (')" in run.log


def test_parameters_are_those_of_the_averaged_run(tune, memorized):
    run = tune(learning_rate=0.0)
    trained = load_run(memorized.folder)
    assert_same_start(run.parameters(), load_run(run.folder).vocabulary, trained)


def test_a_run_that_resumes_does_not_start_again(tune, tmp_path):
    assert tune().steps() == [1, 2, 3, 4]
    again = tune(init_from=tmp_path / "gone", num_epochs=2)
    assert again.code == 0, again.error
    assert again.steps() == list(range(1, 9))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"d_model": 32}, "sizes of the old"),
        ({"init_from": "no/such/folder"}, "no/such/folder: no such folder"),
    ],
)
def test_a_start_that_cannot_be_is_one_line(tune, options, message):
    run = tune(**options)
    assert run.code == 2
    assert message in run.error
    assert len(run.error.strip().splitlines()) == 1
    assert run.checkpoints() == {}


def test_both_branches_start_from_an_export_with_other_pieces(
    trained_s2s, train, corpus, tmp_path
):
    export_model(trained_s2s.folder, tmp_path / "export")
    texts = [line for path in corpus.rglob("*.txt") for line in path.open()]
    SubwordVocabulary.train(texts, num_tokens=50).save(tmp_path / "tokenizer.model")
    options = {"num_tokens": 50, "tokenizer": tmp_path}
    run = train(
        tmp_path / "run",
        recipe="ASR/transformer",
        init_from=tmp_path / "export",
        learning_rate=0.0,
        **{**S2S, **options},
    )
    assert run.code == 0, run.error
    vocabulary = load_run(run.folder).vocabulary
    assert_same_start(run.parameters(), vocabulary, load_run(trained_s2s.folder))


def test_a_decoder_may_start_fresh_and_of_another_size(trained_s2s, train, tmp_path):
    run = train(
        tmp_path / "run",
        recipe="ASR/transformer",
        init_from=trained_s2s.folder,
        init_fresh="[decoder]",
        tokenizer=trained_s2s.folder,
        learning_rate=0.0,
        **{**S2S, "num_decoder_layers": 2},
    )
    assert run.code == 0, run.error
    given = load_run(trained_s2s.folder).model.state_dict()
    for name, tensor in run.parameters().items():
        if not name.startswith("decoder."):
            assert tensor.equal(given[name]), name
