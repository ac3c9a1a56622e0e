import pytest
import torch

from lact_modules.decoding.ctc import BeamDecoder, GreedyDecoder
from lact_modules.decoding.rescore import RescoringDecoder
from lact_modules.errors import InputError
from lact_modules.inference.decoders import build_search, decoding_steps
from lact_modules.language_model.arpa import write_arpa
from lact_modules.language_model.ngram import estimate_ngrams
from lact_modules.model_store.trained_model import load_run


@pytest.fixture(scope="module")
def trained(trained_run):
    return load_run(trained_run)


@pytest.fixture(scope="module")
def outputs(trained):
    waveforms = torch.randn(2, 8000, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        return trained.model(waveforms, torch.tensor([8000, 5000]))


@pytest.fixture(scope="module")
def lm(tmp_path_factory):
    path = tmp_path_factory.mktemp("lm") / "lm.arpa"
    texts = ["AB A", "CD AB", "A B C D", "BB CC"]
    write_arpa(path, estimate_ngrams(texts, order=2))
    return path


def texts(decoder, outputs):
    return [hypothesis.text for hypothesis in decoder(*outputs)]


def test_a_ctc_model_is_decoded_by_ctc(trained, lm):
    assert isinstance(build_search(trained), GreedyDecoder)
    assert isinstance(build_search(trained, lm_weight=1.5, lm=None), GreedyDecoder)
    assert isinstance(build_search(trained, beam_size=5, search="ctc"), BeamDecoder)
    rescoring = build_search(trained, beam_size=5, rescore=lm)
    assert isinstance(rescoring, RescoringDecoder)


def test_options_reach_the_search(trained, lm, outputs):
    plain = build_search(trained, beam_size=20, lm=lm, lm_weight=0.0)
    fused = build_search(trained, beam_size=20, lm=lm, lm_weight=3.0, word_score=-2.0)
    assert texts(plain, outputs) != texts(fused, outputs)


def test_as_many_texts_are_ranked_as_there_are_beams(trained, lm, outputs):
    def most(**options):
        search = build_search(trained, beam_size=7, rescore=lm, **options)
        return max(map(len, search.n_best(*outputs)))

    assert most(num_best=3) == 3
    # beams of one text are one
    assert 3 < most() <= 7
    [one, _] = build_search(trained, beam_size=7).n_best(*outputs)
    assert len(one) == 1


def test_rescoring_weights_are_kept(trained, lm, outputs):
    def score(**weights):
        search = build_search(trained, beam_size=7, rescore=lm, **weights)
        return {h.text: h.score for h in search.n_best(*outputs)[0]}

    base = score(rescore_weight=0.0)
    by_words = score(rescore_weight=0.0, rescore_word_score=2.0)
    for text, points in base.items():
        assert by_words[text] == pytest.approx(points + 2.0 * len(text.split()))
    assert all(points < base[text] for text, points in score().items())


def test_steps_lead_from_greedy_to_all(trained, lm, outputs):
    def names(**decoding):
        return list(decoding_steps(trained, **decoding))

    assert names() == ["greedy"]
    assert names(beam_size=5) == ["greedy", "beam"]
    assert names(beam_size=5, lm=lm) == ["greedy", "beam", "beam+lm"]
    assert names(beam_size=5, rescore=lm) == ["greedy", "beam", "rescored"]
    everything = {"beam_size": 5, "lm": lm, "rescore": lm}
    assert names(**everything) == ["greedy", "beam", "beam+lm", "rescored"]
    assert names(every=False, **everything) == ["greedy", "rescored"]
    assert names(every=False, beam_size=5, lm=lm) == ["greedy", "beam+lm"]


def test_each_step_is_the_search_of_its_own_options(trained, lm, outputs):
    weights = {"lm_weight": 2.0, "word_score": 1.0}
    steps = decoding_steps(
        trained, beam_size=20, lm=lm, rescore=lm, rescore_weight=3.0, **weights
    )
    expected = {
        "greedy": build_search(trained),
        "beam": build_search(trained, beam_size=20),
        "beam+lm": build_search(trained, beam_size=20, lm=lm, **weights),
        "rescored": build_search(
            trained, beam_size=20, lm=lm, rescore=lm, rescore_weight=3.0, **weights
        ),
    }
    for name, decoder in steps.items():
        assert decoder(*outputs) == expected[name](*outputs)
    assert len(steps["beam"].n_best(*outputs)[0]) > 1


def test_faults_of_the_user(trained, lm, tmp_path):
    for key, value in {"lm": lm, "rescore": lm, "lexicon": lm, "num_best": 5}.items():
        with pytest.raises(InputError, match=rf"{key} .*: needs beam search"):
            build_search(trained, beam_size=1, **{key: value})
    for key in ("lm", "rescore"):
        with pytest.raises(InputError, match=r"missing: no such language model"):
            build_search(trained, beam_size=5, **{key: tmp_path / "missing"})
    with pytest.raises(InputError, match="takes an n-gram file"):
        build_search(trained, beam_size=5, lm=tmp_path)
    with pytest.raises(InputError, match="ctc_weight: not an option of the CTC search"):
        build_search(trained, beam_size=5, ctc_weight=0.4)
    with pytest.raises(InputError, match="the model has no decoder"):
        build_search(trained, search="attention")
    with pytest.raises(InputError, match="'viterbi': choose one of auto, ctc"):
        build_search(trained, search="viterbi")
