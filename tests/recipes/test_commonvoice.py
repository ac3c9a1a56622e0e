import shutil

import pytest
import soundfile
import torch

from lact_modules.data.audio import load_audio
from lact_modules.data.corpus.split_folder import read_transcript_file
from lact_modules.data.manifest.manifest import read_manifest
from lact_modules.data.text.vocabulary import Vocabulary
from lact_modules.inference.transcriber import Transcriber
from lact_modules.model_store.export import export_model
from lact_modules.model_store.trained_model import load_run


@pytest.fixture(scope="session")
def clips(corpus, tmp_path_factory):
    """Put the spoken corpus in Common Voice's layout: mp3 at 48 kHz, sentences."""
    folder = tmp_path_factory.mktemp("common_voice") / "en"
    (folder / "clips").mkdir(parents=True)
    for split in ("train", "dev", "test"):
        rows = ["client_id\tpath\tsentence\tup_votes"]
        for path in sorted(corpus.glob(f"{split}/*/*/*.trans.txt")):
            for name, text in read_transcript_file(path):
                samples = load_audio(path.parent / f"{name}.flac", 48000)
                soundfile.write(folder / "clips" / f"{name}.mp3", samples, 48000)
                rows.append(f'x\t{name}.mp3\t"{text.capitalize()}."\t2')
        (folder / f"{split}.tsv").write_text("\n".join(rows) + "\n")
    return folder


@pytest.fixture(scope="session")
def train_clips(train, clips):
    def run(folder, **options):
        options = {"data_folder": clips, **options}
        return train(folder, dataset="CommonVoice", **options)

    return run


@pytest.fixture(scope="session")
def memorized(train_clips, by_heart, tmp_path_factory):
    """Learn four sentences by heart; not to be changed."""
    folder = tmp_path_factory.mktemp("memorized")
    return train_clips(folder, num_epochs=27, **by_heart)


def test_learns_with_the_characters_of_the_training_text(memorized):
    assert memorized.code == 0, memorized.error
    assert memorized.result["recipe"] == "CommonVoice/ASR/CTC"
    assert memorized.result["metrics"]["dev"]["greedy"]["wer"] <= 10
    references = [
        u.text for u in read_manifest(memorized.folder / "manifests/dev.jsonl")
    ]
    assert all(
        text.replace(" ", "").isalpha() and text.isupper() for text in references
    )
    vocabulary = Vocabulary.load(memorized.folder / "vocabulary.txt")
    assert vocabulary == Vocabulary.from_texts(references)
    assert len(memorized.parameters()["output.bias"]) == len(vocabulary)


def test_run_and_export_transcribe_what_was_learned(memorized, tmp_path):
    export_model(memorized.folder, tmp_path / "export")
    utterances = read_manifest(memorized.folder / "manifests" / "dev.jsonl")
    waveforms = [load_audio(utterance.audio_filepath) for utterance in utterances]
    for folder in (memorized.folder, tmp_path / "export"):
        hypotheses = Transcriber.from_folder(folder).transcribe(waveforms)
        matches = [
            h.text == u.text for h, u in zip(hypotheses, utterances, strict=True)
        ]
        assert sum(matches) >= 3


def test_resumes_with_the_characters_it_began_with(train_clips, tmp_path):
    first = train_clips(tmp_path)
    assert first.steps() == list(range(1, 11))
    weights = first.parameters()["output.weight"]
    second = train_clips(tmp_path, num_epochs=2)
    assert second.code == 0, second.error
    assert second.steps() == list(range(1, 21))
    assert second.parameters()["output.weight"].shape == weights.shape
    assert not torch.equal(second.parameters()["output.weight"], weights)


def test_ctc_learns_pieces_of_the_training_text(train_clips, tmp_path):
    run = train_clips(tmp_path, units="pieces", num_tokens=40)
    assert run.code == 0, run.error
    trained = load_run(run.folder)
    assert len(trained.vocabulary) == trained.model.output.out_features == 40
    assert (tmp_path / "tokenizer.model").is_file()


def test_characters_of_tests_alone_are_scored_and_not_learned(
    train_clips, clips, tmp_path
):
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    (corpus / "clips").symlink_to(clips / "clips")
    for split in ("train", "dev"):
        shutil.copy(clips / f"{split}.tsv", corpus)
    header, first, *_ = (clips / "test.tsv").read_text().splitlines()
    name = first.split("\t")[1]
    # nothing of it can be spelled
    (corpus / "test.tsv").write_text(f"{header}\nx\t{name}\tÉèñ\t2\n")
    run = train_clips(tmp_path / "run", data_folder=corpus)
    assert run.code == 0, run.error
    assert "1 of 1 transcripts hold characters that the vocabulary lacks" in run.log
    assert "È É Ñ" in run.log
    transcripts = (run.folder / "transcripts_test.jsonl").read_text()
    assert "ÉÈÑ" in transcripts
    assert run.result["metrics"]["test"]["greedy"]["wer"] >= 100


def test_limits_hold_for_training_alone(train_clips, tmp_path):
    run = train_clips(tmp_path, preparation="{max_rate: 14}")
    assert run.code == 0, run.error
    assert "train.tsv: " in run.log
    assert "too many characters a second" in run.log
    assert len(read_manifest(tmp_path / "manifests" / "train.jsonl")) < 20
    for split in ("dev", "test"):
        assert len(read_manifest(tmp_path / "manifests" / f"{split}.jsonl")) == 4


def test_word_pieces_are_learned_from_the_training_text(train_clips, tmp_path):
    run = train_clips(
        tmp_path,
        recipe="ASR/transformer",
        d_ffn=64,
        num_tokens=40,
        num_decoder_layers=1,
        frontend="{channels: 4, dropout: 0.0}",
        decoding="{beam_size: 0}",
    )
    assert run.code == 0, run.error
    assert run.result["recipe"] == "CommonVoice/ASR/transformer"
    losses = [entry["loss"] for entry in run.metrics("train")]
    assert losses[-1] < losses[0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"data_folder": "nowhere"}, "nowhere: no such folder"),
        ({"train_splits": "[unseen]"}, "no such split; "),
        ({"preparation": "{text_rules: {case: upper}}"}, "no rule 'case'"),
        ({"preparation": "{max_rat: 3}"}, "did you mean 'max_rate'?"),
        ({"num_tokens": 29}, "num_tokens: 29, but characters, blank and"),
    ],
)
def test_wrong_option_is_reported_on_one_line(train_clips, tmp_path, options, message):
    run = train_clips(tmp_path, **options)
    assert run.code == 2
    assert message in run.error.strip().splitlines()[-1]
    assert not (tmp_path / "vocabulary.txt").exists()
