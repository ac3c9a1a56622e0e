"""The contract of lengths: counts are taken, SpeechBrain's shares are refused."""

import importlib
import inspect
import pkgutil
from functools import partial

import pytest
import torch
from speechbrain.lobes.models.transformer.Conformer import ConformerEncoder
from torch import nn

import lact_modules
from lact_modules.adaptation.base import Adapter
from lact_modules.adaptation.methods import build_adapter
from lact_modules.decoders import TextDecoder
from lact_modules.encoders import CTCModel, Encoder, S2SModel
from lact_modules.encoders.masked_prediction import MaskedPredictor
from lact_modules.frontends import MelFrontend, Wav2Vec2Frontend
from lact_modules.frontends.feature_encoder import FeatureEncoder
from lact_modules.frontends.normalization import (
    RunningNormalization,
    UtteranceNormalization,
)
from lact_modules.integrations.speechbrain import SpeechBrainEncoder
from lact_modules.layers import CausalAttention, CrossAttention, FeedForward, LaCTMixer
from lact_modules.layers.chunking import Chunking
from lact_modules.training.time_masks import TimeMasks

D_MODEL = 8
WAVEFORM = torch.ones(2, 800)
FRAMES = torch.ones(2, 5, D_MODEL)
TOKENS = torch.ones(2, 3, dtype=torch.int64)

ffn = partial(FeedForward, D_MODEL, 16)
mel = partial(MelFrontend, D_MODEL)
wav2vec2 = partial(Wav2Vec2Frontend, D_MODEL, channels=4)
encoder = partial(Encoder, D_MODEL, 1, partial(LaCTMixer, D_MODEL, 2, 2), ffn)


def decoder():
    mixers = (partial(each, D_MODEL, 2) for each in (CausalAttention, CrossAttention))
    return TextDecoder(D_MODEL, 1, 5, *mixers, ffn)


def ctc_model():
    return CTCModel(mel(), encoder(), num_tokens=5).eval()


def s2s_model():
    return S2SModel(mel(), encoder(), decoder(), num_tokens=5)


def baseline():
    return SpeechBrainEncoder(ConformerEncoder(1, D_MODEL, 16, nhead=2), D_MODEL)


def predict(lengths):
    MaskedPredictor(D_MODEL)(encoder(), FRAMES, lengths, FRAMES)


CALLS = {
    (Adapter, "forward"): lambda n: build_adapter(ctc_model())(WAVEFORM, n),
    (CTCModel, "encode"): lambda n: ctc_model().encode(WAVEFORM, n),
    (CTCModel, "forward"): lambda lengths: ctc_model()(WAVEFORM, lengths),
    (CTCModel, "make_frames"): lambda n: ctc_model().make_frames(WAVEFORM, n),
    (Encoder, "forward"): lambda lengths: encoder()(FRAMES, lengths),
    (Encoder, "chunked"): lambda n: encoder().chunked(FRAMES, n, Chunking(2, 2)),
    (FeatureEncoder, "forward"): lambda n: FeatureEncoder(4)(WAVEFORM, n),
    (MaskedPredictor, "forward"): predict,
    (MelFrontend, "forward"): lambda lengths: mel()(WAVEFORM, lengths),
    (MelFrontend, "features"): lambda n: mel().features(WAVEFORM, n),
    (MelFrontend, "subsample"): lambda n: mel().subsample(torch.ones(2, 5, 80), n),
    (RunningNormalization, "forward"): lambda n: RunningNormalization(8)(FRAMES, n),
    (S2SModel, "forward"): lambda n: s2s_model()(WAVEFORM, n, tokens=TOKENS),
    (SpeechBrainEncoder, "forward"): lambda lengths: baseline()(FRAMES, lengths),
    (TextDecoder, "forward"): lambda n: decoder()(TOKENS, FRAMES, n),
    (TextDecoder, "start"): lambda lengths: decoder().start(FRAMES, lengths),
    (UtteranceNormalization, "forward"): lambda n: UtteranceNormalization()(FRAMES, n),
    (Wav2Vec2Frontend, "forward"): lambda lengths: wav2vec2()(WAVEFORM, lengths),
    (Wav2Vec2Frontend, "features"): lambda n: wav2vec2().features(WAVEFORM, n),
    (Wav2Vec2Frontend, "subsample"): lambda n: wav2vec2().subsample(
        torch.ones(2, 5, 4), n
    ),
}
"""Each with as little as it takes."""

PASSED_ON = {(CTCModel, "outputs"), (S2SModel, "outputs")}
"""What gives lengths back and does not look at them."""

SHARES = {(TimeMasks, "forward")}
"""What SpeechBrain calls, with shares, as its own augmentations."""


def find_calls():
    """Find all methods of modules that take lengths."""
    for found in pkgutil.walk_packages(lact_modules.__path__, "lact_modules."):
        # graphs, whose types onnxruntime checks
        if ".onnx." in found.name:
            continue
        module = importlib.import_module(found.name)
        for kind in vars(module).values():
            is_own = inspect.isclass(kind) and kind.__module__ == found.name
            if is_own and issubclass(kind, nn.Module):
                for name, method in vars(kind).items():
                    if inspect.isfunction(method) and not name.startswith("_"):
                        parameters = inspect.signature(method).parameters
                        if {"lengths", "memory_lengths"} & {*parameters}:
                            yield kind, name


def test_nothing_with_lengths_is_left_out():
    assert {*find_calls()} == CALLS.keys() | PASSED_ON | SHARES


@pytest.mark.parametrize(
    "call", CALLS.values(), ids=[f"{k.__name__}.{n}" for k, n in CALLS]
)
def test_counts_are_taken_and_shares_are_refused(call):
    call(torch.tensor([5, 3]))
    for shares in (torch.tensor([1.0, 0.6]), torch.tensor([1.0, 0.6]).half()):
        with pytest.raises(
            TypeError, match=r"lengths: torch.float.*give counts, int64"
        ):
            call(shares)
