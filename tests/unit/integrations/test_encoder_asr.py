"""Exports in SpeechBrain's own recognizers, and the page that shows how."""

import shutil

import pytest
import soundfile
import torch
from hyperpyyaml import load_hyperpyyaml
from speechbrain.inference.ASR import EncoderASR, EncoderDecoderASR

from lact_modules.errors import InputError
from lact_modules.inference.transcriber import Transcriber
from lact_modules.language_model.arpa import write_arpa
from lact_modules.language_model.ngram import estimate_ngrams
from lact_modules.model_store.export import export_model
from lact_modules.publishing.hub import push_model
from tests.documents import examples
from tests.unit.conftest import HYPERPARAMETERS, make_pieces, make_run, with_decoder


@pytest.fixture(scope="module")
def attention_run(tmp_path_factory):
    """Make a run whose model has a text decoder."""
    vocabulary = make_pieces()
    settings = with_decoder(HYPERPARAMETERS).replace(
        "num_tokens: 6", f"num_tokens: {len(vocabulary)}"
    )
    return make_run(tmp_path_factory.mktemp("attention"), settings, vocabulary)


@pytest.fixture(scope="module")
def paths(audio_folder, tmp_path_factory):
    """Return ten files, and ten that are stereo at other rates."""
    folder = tmp_path_factory.mktemp("stereo")
    paths = sorted(audio_folder.iterdir())
    for number, rate in enumerate([8000, 44100] * 5):
        noise = torch.rand(
            rate // 2, 2, generator=torch.Generator().manual_seed(number)
        )
        paths.append(folder / f"{number}.wav")
        soundfile.write(paths[-1], (0.8 * noise - 0.4).numpy(), rate)
    return paths


def texts_of(run, paths, **options):
    transcriber = Transcriber.from_folder(run, **options)
    return [outcome.result.text for outcome in transcriber.transcribe_files(paths)]


def test_an_export_recognizes_the_same_in_encoder_asr(trained_run, paths, tmp_path):
    export_model(trained_run, tmp_path)
    asr = EncoderASR.from_hparams(source=str(tmp_path))
    expected = texts_of(trained_run, paths)
    assert [asr.transcribe_file(str(path)) for path in paths] == expected
    assert len({*expected}) > 5


@pytest.mark.parametrize("kind", [EncoderASR, EncoderDecoderASR])
def test_text_decoders_search(attention_run, paths, tmp_path, kind):
    export_model(attention_run, tmp_path)
    asr = kind.from_hparams(source=str(tmp_path))
    # the shortest: untrained decoders come to no end
    short = sorted(paths, key=lambda path: soundfile.info(path).duration)[:3]
    expected = texts_of(attention_run, short)
    assert [asr.transcribe_file(str(path)) for path in short] == expected
    assert expected != texts_of(attention_run, short, search="ctc")


def test_padding_of_a_batch_has_no_influence(trained_run, paths, tmp_path):
    export_model(trained_run, tmp_path)
    asr = EncoderASR.from_hparams(source=str(tmp_path))
    waveforms = [asr.load_audio(str(path)) for path in paths]
    lengths = torch.tensor([len(waveform) for waveform in waveforms])
    batch = torch.full((len(waveforms), int(lengths.max())), torch.nan)
    for row, waveform in zip(batch, waveforms, strict=True):
        row[: len(waveform)] = waveform
    texts, hypotheses = asr.transcribe_batch(batch, lengths / batch.shape[1])
    assert texts == texts_of(trained_run, paths)
    assert [each.words[0].word for each in hypotheses] == [t.split()[0] for t in texts]
    text = texts[0]
    assert asr.tokenizer.decode_ids(asr.tokenizer.encode_as_ids(text)) == text
    nothing, _ = asr.transcribe_batch(torch.zeros(1, 16), torch.tensor([0.0]))
    assert nothing == [""]


def test_overrides_choose_the_search(trained_run, paths, tmp_path):
    lm = tmp_path / "lm.arpa"
    write_arpa(lm, estimate_ngrams(["CD CD DC", "DC CDC"], order=2))
    export_model(trained_run, tmp_path / "export")
    decoding = {"beam_size": 8, "lm": str(lm)}
    asr = EncoderASR.from_hparams(
        source=str(tmp_path / "export"), overrides={"decoder": decoding}
    )
    expected = texts_of(trained_run, paths[:5], **decoding)
    assert [asr.transcribe_file(str(path)) for path in paths[:5]] == expected
    assert expected != texts_of(trained_run, paths[:5])
    with pytest.raises(InputError, match="beam: not an option"):
        EncoderASR.from_hparams(
            source=str(tmp_path / "export"), overrides={"decoder": {"beam": 8}}
        )


def test_a_copy_in_a_folder_of_ones_own(trained_run, paths, tmp_path):
    export_model(trained_run, tmp_path / "export")
    source, savedir = str(tmp_path / "export"), tmp_path / "saved"
    asr = EncoderASR.from_hparams(source=source, savedir=str(savedir))
    assert asr.transcribe_file(str(paths[9])) == texts_of(trained_run, paths[9:10])[0]
    assert {"hyperparams.yaml", "config.json"} <= {p.name for p in savedir.iterdir()}


def test_a_published_model_is_fetched(hub, run_copy, paths, tmp_path):
    push_model(run_copy, "me/digits")
    asr = EncoderASR.from_hparams(source="me/digits")
    assert asr.transcribe_file(str(paths[9])) == texts_of(run_copy, paths[9:10])[0]


def test_a_missing_file_is_named(trained_run, tmp_path):
    export_model(trained_run, tmp_path)
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(InputError, match=r"model.safetensors: no such file"):
        EncoderASR.from_hparams(source=str(tmp_path))


def test_a_run_is_not_overwritten_by_an_export(run_copy):
    settings = (run_copy / "hyperparams.yaml").read_bytes()
    with pytest.raises(InputError, match="is a training run; name another folder"):
        export_model(run_copy, run_copy, force=True)
    assert (run_copy / "hyperparams.yaml").read_bytes() == settings


def test_the_examples_of_the_page_run(
    trained_run, paths, tmp_path, monkeypatch, capsys
):
    export_model(trained_run, tmp_path / "export")
    shutil.copy(paths[-1], tmp_path / "talk.wav")
    write_arpa(tmp_path / "lm.arpa", estimate_ngrams(["CD CD DC"], order=2))
    monkeypatch.chdir(tmp_path)
    names = {}
    for block in examples("speechbrain.md", "python"):
        exec(block, names)
    assert (
        capsys.readouterr().out.split() == texts_of(trained_run, paths[-1:])[0].split()
    )
    assert names["beams"].transcribe_file("talk.wav")
    [recipe] = examples("speechbrain.md", "yaml")
    rest = (
        "input_size: 16\n    tgt_vocab: 9\n    d_model: 16\n    nhead: 2\n    d_ffn: 16"
    )
    model = load_hyperpyyaml(f"{recipe}    {rest}")["Transformer"]
    assert len(model.encoder.encoder.blocks) == 12
