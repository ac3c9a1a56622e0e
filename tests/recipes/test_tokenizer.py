import pytest

from lact_modules.data.corpus.librispeech import read_transcripts
from lact_modules.data.text.subwords import SubwordVocabulary

OPTIONS = {
    "recipe": "Tokenizer",
    "hparams": "unigram_5000",
    "tiny": {"train_splits": "[train]", "dev_splits": "[dev]", "num_tokens": 60},
}


def test_spells_the_corpus_with_as_many_tokens_as_requested(
    train, corpus, tmp_path, capsys
):
    run = train(tmp_path, **OPTIONS)
    assert run.code == 0
    vocabulary = SubwordVocabulary.load(tmp_path / "tokenizer.model")
    assert len(vocabulary) == 60
    for text in read_transcripts(corpus, ["train"]):
        assert vocabulary.decode(vocabulary.encode(text)) == text
    output = capsys.readouterr().out
    assert "tokenizer.model: 60 tokens" in output
    assert "train: 20 texts, " in output
    assert "100.00 % of texts can be spelled" in output


def test_learns_from_further_text(train, tmp_path, capsys):
    (tmp_path / "more.txt").write_text("QUARTZ & QUILLS\n" * 9)
    run = train(tmp_path, text_files=f"[{tmp_path / 'more.txt'}]", **OPTIONS)
    assert run.code == 0
    vocabulary = SubwordVocabulary.load(tmp_path / "tokenizer.model")
    assert vocabulary.unknown("& Q") == set()


def test_tells_what_it_cannot_spell(train, corpus, tmp_path, capsys):
    options = {**OPTIONS, "tiny": {**OPTIONS["tiny"], "num_tokens": 40}}
    (tmp_path / "LibriSpeech" / "odd" / "1" / "2").mkdir(parents=True)
    (tmp_path / "LibriSpeech" / "train").symlink_to(corpus / "train")
    odd = tmp_path / "LibriSpeech" / "odd" / "1" / "2" / "1-2.trans.txt"
    odd.write_text("1-2-0 \u00c9T\u00c9\n1-2-1 \n")
    run = train(tmp_path, data_folder=tmp_path, dev_splits="[odd]", **without(options))
    assert run.code == 0
    assert "odd: 1 texts" in (output := capsys.readouterr().out)
    assert "0.00 % of texts can be spelled; unknown: \u00c9" in output


def without(options):
    """Leave out what the test sets itself."""
    tiny = {k: v for k, v in options["tiny"].items() if k != "dev_splits"}
    return {**options, "tiny": tiny}


@pytest.mark.parametrize(
    ("option", "complaint"),
    [
        ({"num_tokens": 100000}, "give at most"),
        ({"model_type": "word"}, "expected one of unigram, bpe"),
        ({"train_splits": "[nowhere]"}, "nowhere: no such split"),
        ({"text_files": "[missing.txt]"}, "missing.txt: no such file"),
    ],
)
def test_a_fault_is_one_line(train, tmp_path, option, complaint):
    options = {**OPTIONS, "tiny": {**OPTIONS["tiny"], **option}}
    run = train(tmp_path, **options)
    assert run.code == 2
    assert complaint in run.error.splitlines()[-1]
    assert not (tmp_path / "tokenizer.model").exists()
