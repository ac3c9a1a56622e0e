import pytest
import torch

from lact_modules.inference.transcriber import Transcriber
from lact_modules.inference.tuning import Trial, Tuner, choose_trial, edges, try_grid
from lact_modules.language_model.arpa import write_arpa
from lact_modules.language_model.language_model import KenLMModel
from lact_modules.language_model.ngram import estimate_ngrams
from lact_modules.scoring.error_rate import score

REFERENCES = ["A B", "C D A"]


@pytest.fixture(scope="module")
def lm(tmp_path_factory):
    path = tmp_path_factory.mktemp("lm") / "lm.arpa"
    write_arpa(path, estimate_ngrams(["A B", "D C", "B A B"], order=2))
    return path


@pytest.fixture(scope="module")
def waveforms():
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(n, generator=generator) for n in (9000, 16000)]


@pytest.fixture(scope="module")
def tuner(trained_run, waveforms):
    tuner = Tuner(Transcriber.from_folder(trained_run))
    for waveform, text in zip(waveforms, REFERENCES, strict=True):
        for number in tuner.add([waveform]):
            tuner.references[number] = text
    return tuner


def test_each_trial_of_a_search_is_what_transcribing_so_gives(
    tuner, trained_run, waveforms, lm
):
    grid = {"lm_weight": [0.0, 3.0], "word_score": [-2.0, 2.0]}
    options = {"beam_size": 20, "lm": lm}
    trials = list(tuner.try_search(grid, **options))
    assert [tuple(t.weights.values()) for t in trials] == [
        (0.0, -2.0),
        (0.0, 2.0),
        (3.0, -2.0),
        (3.0, 2.0),
    ]
    for trial in trials:
        transcriber = Transcriber.from_folder(trained_run, **options, **trial.weights)
        assert trial.texts == [h.text for h in transcriber.transcribe(waveforms)]
        assert trial.wer == pytest.approx(score(REFERENCES, trial.texts).wer)
    assert len({tuple(trial.texts) for trial in trials}) > 1


def test_each_trial_of_rescoring_is_what_transcribing_so_gives(
    tuner, trained_run, waveforms, lm, monkeypatch
):
    grid = {"rescore_weight": [0.0, 4.0], "rescore_word_score": [0.0, 3.0]}
    options = {"beam_size": 20, "rescore": lm}
    asked = []
    log_probs = KenLMModel.log_probs
    with monkeypatch.context() as patch:
        patch.setattr(
            KenLMModel,
            "log_probs",
            lambda lm, texts: asked.append(texts) or log_probs(lm, texts),
        )
        trials = list(tuner.try_rescoring(grid, **options))
    assert len(asked) == 1
    for trial in trials:
        transcriber = Transcriber.from_folder(trained_run, **options, **trial.weights)
        assert trial.texts == [h.text for h in transcriber.transcribe(waveforms)]
    assert len({tuple(trial.texts) for trial in trials}) > 1


def test_ties_go_to_fewer_characters_then_to_smaller_weights():
    def trial(text, first, second):
        [made] = try_grid(
            ["ONE TWO"], lambda **_: [text], {"a": [first], "b": [second]}
        )
        return made

    far = trial("ONE TEN", 0.5, 0.0)
    near = trial("ONE TOO", 2.0, -1.0)
    right = trial("ONE TWO", 3.0, 3.0)
    assert choose_trial(["ONE TWO"], [far, near]) is near
    assert choose_trial(["ONE TWO"], [far, near, right]) is right
    alike = [trial("ONE TOO", *w) for w in ((2.0, 0.0), (1.0, -2.0), (1.0, 1.0))]
    assert choose_trial(["ONE TWO"], alike) is alike[2]


def test_edges_of_what_was_tried():
    grid = {"a": [0.0, 1.0, 2.0], "b": [0.0], "c": [-1.0, 0.0, 1.0]}

    def named(a, c):
        return edges(Trial({"a": a, "b": 0.0, "c": c}, [], 0.0), grid)

    assert named(1.0, 0.0) == []
    assert named(2.0, -1.0) == ["a", "c"]
    # less than no weight is no choice
    assert named(0.0, 0.0) == []
