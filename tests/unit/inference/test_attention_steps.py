"""The searches of a model with a text decoder, and their language models."""

from functools import partial

import pytest
import torch
from speechbrain.lobes.models.transformer.TransformerLM import TransformerLM
from speechbrain.utils.checkpoints import Checkpointer

from lact_modules.data.text.subwords import SubwordVocabulary
from lact_modules.data.text.vocabulary import Vocabulary
from lact_modules.decoders import TextDecoder
from lact_modules.decoding.attention import AttentionDecoder
from lact_modules.decoding.ctc import GreedyDecoder
from lact_modules.encoders import Encoder, S2SModel
from lact_modules.errors import InputError
from lact_modules.frontends import MelFrontend
from lact_modules.inference.decoders import build_search, decoding_steps
from lact_modules.inference.transcriber import Transcriber
from lact_modules.inference.tuning import Tuner
from lact_modules.language_model.arpa import write_arpa
from lact_modules.language_model.ngram import estimate_ngrams
from lact_modules.layers import (
    AttentionMixer,
    CausalAttention,
    CrossAttention,
    FeedForward,
)
from lact_modules.model_store.trained_model import TrainedModel

TEXTS = ["ONE TWO", "TWO TEN", "NET WON"]
LM = """
avg_checkpoints: 1
model: !new:speechbrain.lobes.models.transformer.TransformerLM.TransformerLM
    vocab: 14
    d_model: 8
    nhead: 2
    num_encoder_layers: 1
    num_decoder_layers: 0
    d_ffn: 16
"""


@pytest.fixture(scope="module")
def trained():
    torch.manual_seed(0)
    ffn = partial(FeedForward, 16, 32)
    mixers = partial(CausalAttention, 16, 2), partial(CrossAttention, 16, 2)
    encoder = Encoder(16, 1, partial(AttentionMixer, 16, 2), ffn)
    decoder = TextDecoder(16, 1, 14, *mixers, ffn)
    model = S2SModel(MelFrontend(16), encoder, decoder, 14).eval()
    with torch.no_grad():
        model.output.weight *= 5
        model.decoder.output.weight *= 3
    return TrainedModel(model, SubwordVocabulary.train(TEXTS, 14), description=None)


@pytest.fixture(scope="module")
def outputs(trained):
    waveforms = torch.randn(2, 9600, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        return trained.model(waveforms, torch.tensor([9600, 6400]))


@pytest.fixture(scope="module")
def lm_folder(trained, tmp_path_factory):
    """Make a run of a language model that has strong opinions."""
    folder = tmp_path_factory.mktemp("lm")
    (folder / "hyperparams.yaml").write_text(LM)
    trained.vocabulary.save(folder / SubwordVocabulary.file_name)
    torch.manual_seed(1)
    model = TransformerLM(14, 8, 2, 1, 0, 16)
    with torch.no_grad():
        model.output_proj.layers[-1].w.weight *= 5
    checkpointer = Checkpointer(folder / "save", {"model": model})
    checkpointer.save_checkpoint(meta={"loss": 1.0})
    return folder


@pytest.fixture(scope="module")
def ngram(tmp_path_factory):
    path = tmp_path_factory.mktemp("ngram") / "lm.arpa"
    write_arpa(path, estimate_ngrams(TEXTS, order=2))
    return path


def test_attention_is_taken_where_there_is_a_decoder(trained):
    assert isinstance(build_search(trained), AttentionDecoder)
    assert isinstance(build_search(trained, search="attention"), AttentionDecoder)
    assert isinstance(build_search(trained, search="ctc"), GreedyDecoder)


def test_steps_with_a_transformer(trained, outputs, lm_folder, ngram):
    decoding = {"beam_size": 6, "lm": lm_folder, "lm_weight": 2.0, "ctc_weight": 0.3}
    rescoring = {"rescore": ngram, "rescore_weight": 1.0}
    steps = decoding_steps(trained, **decoding, **rescoring)
    assert list(steps) == ["greedy", "beam", "beam+tlm", "rescored"]
    expected = {
        "greedy": build_search(trained),
        "beam": build_search(trained, beam_size=6, ctc_weight=0.3),
        "beam+tlm": build_search(trained, **decoding),
        "rescored": build_search(trained, **decoding, **rescoring),
    }
    found = {name: decoder(*outputs) for name, decoder in steps.items()}
    for name, hypotheses in found.items():
        assert hypotheses == expected[name](*outputs)
    assert found["beam"] != found["beam+tlm"]
    assert len(steps["beam+tlm"].n_best(*outputs)[0]) > 1


def test_ctc_and_attention_can_be_compared(trained, outputs):
    ctc = build_search(trained, search="ctc")(*outputs)
    attention = build_search(trained)(*outputs)
    assert [h.text for h in ctc] != [h.text for h in attention]


def test_language_models_that_do_not_serve_the_search(
    trained, lm_folder, ngram, tmp_path
):
    with pytest.raises(InputError, match=r"lm\.arpa: the attention search takes a"):
        build_search(trained, beam_size=4, lm=ngram)
    for file in lm_folder.iterdir():
        (tmp_path / file.name).symlink_to(file)
    tokenizer = tmp_path / SubwordVocabulary.file_name
    tokenizer.unlink()
    SubwordVocabulary.train([*TEXTS, "TOE TOE TWENTE"], 14).save(tokenizer)
    with pytest.raises(InputError, match="its tokenizer is not the model's"):
        build_search(trained, beam_size=4, lm=tmp_path)
    # its tokens do not matter there
    build_search(trained, beam_size=4, rescore=tmp_path)


def test_options_of_ctc_and_characters_are_refused(trained):
    for option in ({"word_score": 1.0}, {"lexicon": "words"}):
        with pytest.raises(InputError, match="not an option of the attention search"):
            build_search(trained, beam_size=4, **option)
    characters = Vocabulary.from_texts(["ABCDEFGHIJKL"])
    with pytest.raises(InputError, match="tokens are characters"):
        build_search(TrainedModel(trained.model, characters, None))


def test_weights_of_a_transformer_are_tuned(trained, lm_folder):
    transcriber = Transcriber(trained)
    tuner = Tuner(transcriber)
    torch.manual_seed(2)
    waveforms = [torch.randn(n) for n in (9600, 6400, 0)]
    places = list(tuner.add(waveforms[:2])) + list(tuner.add(waveforms[2:]))
    for place in places:
        tuner.references[place] = TEXTS[place]
    assert not tuner.scores_words(beam_size=2)
    options = {"beam_size": 4, "lm": lm_folder}
    trials = list(tuner.try_search({"lm_weight": [0.0, 3.0]}, **options))
    for trial in trials:
        transcriber = Transcriber(trained, **options, **trial.weights)
        assert trial.texts == [h.text for h in transcriber.transcribe(waveforms)]
    assert trials[0].texts != trials[1].texts
