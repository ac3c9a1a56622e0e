"""The contract that every encoder keeps; a new encoder is one more entry."""

import copy
from functools import partial

import pytest
import torch

from lact_modules.encoders import CTCModel, Encoder
from lact_modules.encoders.early_exit import exit_at
from lact_modules.encoders.heads import CTCHead
from lact_modules.encoders.layouts import divide
from lact_modules.encoders.streaming import StreamingEncoder
from lact_modules.layers import (
    AttentionMixer,
    BiMambaMixer,
    ConvolutionModule,
    FeedForward,
    GatedDeltaNetMixer,
    LaCTMixer,
    SummaryMixer,
    pieces,
)
from lact_modules.layers.chunking import Chunking
from lact_modules.layers.dynamic_chunking import DynamicChunking
from lact_modules.layers.dynamic_chunking.routers import (
    BlankRouter,
    CosineRouter,
    SimilarityRouter,
    UniformRouter,
)
from lact_modules.ops import UpdateRule

D_MODEL = 16
CHUNK = 4


def lact(**options):
    return partial(
        LaCTMixer, D_MODEL, **{"num_heads": 2, "num_lact_heads": 2, **options}
    )


def attention(**options):
    return partial(AttentionMixer, D_MODEL, num_heads=2, **options)


def mamba(**options):
    return partial(BiMambaMixer, D_MODEL, d_state=4, **options)


def gated_deltanet(**options):
    return partial(GatedDeltaNetMixer, D_MODEL, num_heads=2, **options)


def transformer(mixer):
    return Encoder(
        D_MODEL, num_layers=2, mixer=mixer, ffn_out=partial(FeedForward, D_MODEL, 32)
    )


def conformer(mixer, causal=False, **options):
    return Encoder(
        D_MODEL,
        num_layers=2,
        mixer=mixer,
        ffn_out=partial(FeedForward, D_MODEL, 32),
        ffn_in=partial(FeedForward, D_MODEL, 32),
        conv=partial(ConvolutionModule, D_MODEL, kernel_size=5, causal=causal),
        **options,
    )


def compressed(mixer, router, heads=None, **options):
    """An encoder whose second block runs on segments; its router has seen frames."""
    chunking = partial(DynamicChunking, router=router(), **options)
    encoder = conformer(
        mixer, dynamic_chunking=chunking, block_split=[1, 1], heads=heads
    )
    encoder(*make_batch())
    return encoder


CONDITIONED = "self-conditioned-ctc"

ENCODERS = {
    "lact_transformer": partial(transformer, lact()),
    "lact_conformer": partial(conformer, lact(num_lact_heads=4)),
    "lact_momentum_pre": partial(
        conformer,
        lact(
            num_lact_heads=4,
            mode="block",
            chunk_size=CHUNK,
            use_momentum=True,
            rule=UpdateRule(normalization="pre"),
        ),
    ),
    "lact_down": partial(transformer, lact(rule=UpdateRule(update="down"))),
    "lact_gradient_descent": partial(
        transformer, lact(rule=UpdateRule(optimizer="gradient_descent"))
    ),
    "lact_clipped": partial(
        transformer,
        lact(rule=UpdateRule("clipped_descent", normalization="none"), base_lr=1.0),
    ),
    "lact_wide_no_rotation": partial(
        transformer, lact(hidden_ratio=2.0, rotate_fast=True)
    ),
    "lact_learned_rule": partial(
        conformer, lact(rule=UpdateRule(gain=0.5, decay=0.1), learn_rule=True)
    ),
    "lact_summed_directions": partial(
        conformer,
        lact(
            rule=UpdateRule(decay=0.1, update="down", accumulate="directions"),
            learn_rule=True,
        ),
    ),
    "fast_weights_alone": partial(transformer, lact(num_heads=0)),
    "attention_alone": partial(transformer, lact(num_lact_heads=0)),
    "lact_window": partial(transformer, lact(window=[3, 3])),
    "lact_block": partial(
        transformer, lact(mode="block", chunk_size=CHUNK, window=[8, 0])
    ),
    "lact_shifted": partial(
        conformer,
        lact(num_lact_heads=4, mode="shifted", chunk_size=CHUNK, window=[8, 0]),
        causal=True,
    ),
    "lact_alternating": partial(
        transformer, [lact(num_lact_heads=0, window=[3, 3]), lact(num_heads=0)]
    ),
    "lact_and_mamba": partial(conformer, [mamba(), lact()], layout=divide),
    "conformer_rope": partial(conformer, attention()),
    "conformer_rope_window": partial(conformer, attention(window=[3, 3])),
    "conformer_rope_causal": partial(conformer, attention(window=[8, 0]), causal=True),
    "conformer_relpos": partial(conformer, attention(positions="relpos")),
    "conformer_relpos_window": partial(
        conformer, attention(positions="relpos", window=[3, 3])
    ),
    "conformer_relpos_causal": partial(
        conformer, attention(positions="relpos", window=[8, 0]), causal=True
    ),
    "summary": partial(conformer, partial(SummaryMixer, D_MODEL)),
    "conmamba": partial(conformer, mamba()),
    "mamba_transformer": partial(transformer, mamba()),
    "mamba_causal": partial(conformer, mamba(bidirectional=False), causal=True),
    "gated_deltanet": partial(conformer, gated_deltanet()),
    "gated_deltanet_causal": partial(
        conformer, gated_deltanet(bidirectional=False), causal=True
    ),
    "gated_deltanet_stream": partial(conformer, gated_deltanet(bidirectional=False)),
    "lact_dynamic": partial(compressed, lact(), partial(CosineRouter, D_MODEL)),
    "conformer_dynamic": partial(compressed, attention(), UniformRouter),
    "conformer_dynamic_mean": partial(
        compressed, attention(), partial(SimilarityRouter, D_MODEL), pool="mean"
    ),
    "conmamba_dynamic": partial(
        compressed, mamba(), partial(SimilarityRouter, D_MODEL), pool="mean"
    ),
    "conformer_conditioned": partial(conformer, attention(), heads={1: CONDITIONED}),
    "lact_dynamic_blank": partial(
        compressed, lact(), BlankRouter, heads={1: CONDITIONED}
    ),
}
CAUSAL = {
    "lact_shifted": 1,
    "lact_block": CHUNK,
    "conformer_rope_causal": 1,
    "conformer_relpos_causal": 1,
    "mamba_causal": 1,
    "gated_deltanet_causal": 1,
}
"""Frames that a causal encoder may look at together."""

CHUNKED = [
    "lact_transformer",
    "lact_conformer",
    "lact_momentum_pre",
    "lact_shifted",
    "fast_weights_alone",
    "lact_alternating",
    "conformer_rope",
    "conformer_rope_causal",
    "mamba_causal",
    "gated_deltanet_causal",
    "gated_deltanet_stream",
    "summary",
    "lact_dynamic",
    "conformer_dynamic_mean",
    "conformer_conditioned",
    "lact_dynamic_blank",
]
"""Encoders that run in chunks."""

CHUNKING = Chunking(size=CHUNK, left=6)

NUM_FRAMES = [23, 9, 14]

DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)]


@pytest.fixture(params=DEVICES, autouse=True)
def device(request):
    """Make tensors and modules on each device in turn."""
    with torch.device(request.param):
        yield request.param


@pytest.fixture(params=ENCODERS)
def encoder(request, device):
    torch.manual_seed(0)
    return ENCODERS[request.param]().eval()


def make_batch():
    generator = torch.Generator("cpu").manual_seed(0)
    x = torch.randn(3, 23, D_MODEL, generator=generator, device="cpu")
    return x.to(torch.get_default_device()), torch.tensor(NUM_FRAMES)


def test_shapes_and_lengths(encoder):
    x, lengths = make_batch()
    output, output_lengths = encoder(x, lengths)
    assert output.shape == (3, 23, D_MODEL)
    assert output_lengths.tolist() == lengths.tolist()


def test_alone_equals_in_a_batch(encoder):
    x, lengths = make_batch()
    output, _ = encoder(x, lengths)
    for i, num_frames in enumerate(NUM_FRAMES):
        alone, _ = encoder(x[i : i + 1, :num_frames], lengths[i : i + 1])
        together = output[i : i + 1, :num_frames]
        torch.testing.assert_close(alone, together, atol=1e-4, rtol=1e-4)


def test_padding_may_hold_anything(encoder):
    x, lengths = make_batch()
    expected, _ = encoder(x, lengths)
    for i, num_frames in enumerate(NUM_FRAMES):
        x[i, num_frames:] = torch.nan
    output, _ = encoder(x, lengths)
    torch.testing.assert_close(output, expected)


def test_gradients_are_finite_and_none_reach_padding(encoder):
    x, lengths = make_batch()
    x.requires_grad_()
    output, _ = encoder(x, lengths)
    # the sum or the norm of a layer-normed frame is constant
    (output * torch.randn_like(output)).sum().backward()
    assert x.grad.isfinite().all()
    assert x.grad[0].abs().min() > 0
    for i, num_frames in enumerate(NUM_FRAMES):
        assert x.grad[i, num_frames:].count_nonzero() == 0
    for name, parameter in encoder.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name


@pytest.fixture
def small_pieces(monkeypatch):
    """Take as few frames at a time as those of a long recording are many."""
    monkeypatch.setattr(pieces, "_FRAMES", 4)
    monkeypatch.setattr(pieces, "_MOST_AT_ONCE", 8)
    monkeypatch.setattr(pieces, "_LEAST_SHARE", 1)


def make_batch_of_nan():
    x, lengths = make_batch()
    is_beyond = torch.arange(x.shape[1]) >= lengths[:, None]
    return x.masked_fill(is_beyond[..., None], torch.nan), lengths


# rounding is all that may be different: float32 alone is 7e-5 off in some of them
@pytest.mark.parametrize(
    ("dtype", "near"), [(torch.float32, 1e-4), (torch.float64, 1e-7)]
)
@pytest.mark.usefixtures("small_pieces")
def test_pieces_equal_the_whole(encoder, dtype, near):
    x, lengths = make_batch_of_nan()
    x, encoder = x.to(dtype), encoder.to(dtype)
    whole, _ = encoder(x, lengths)
    original = x.clone()
    with torch.inference_mode():
        in_pieces, _ = encoder(x, lengths)
        assert torch.equal(x.nan_to_num(), original.nan_to_num())
        alone, _ = encoder(x[:1], lengths[:1])
    torch.testing.assert_close(in_pieces, whole, atol=near, rtol=near)
    torch.testing.assert_close(alone, whole[:1], atol=near, rtol=near)


@pytest.mark.usefixtures("small_pieces")
def test_pieces_in_bf16_are_near(encoder, device):
    x, lengths = make_batch_of_nan()
    with torch.autocast(device, torch.bfloat16):
        whole, _ = encoder(x, lengths)
        with torch.inference_mode():
            in_pieces, _ = encoder(x, lengths)
    assert in_pieces.isfinite().all()
    assert (in_pieces - whole).abs().mean() < 0.05


@pytest.mark.parametrize("lengths", [[1, 0], [0, 0]])
def test_a_frame_and_an_empty_utterance_stay_finite(encoder, lengths):
    x, _ = make_batch()
    output, output_lengths = encoder(x[:2, :1], torch.tensor(lengths))
    assert output.isfinite().all()
    assert output_lengths.tolist() == lengths


@pytest.mark.filterwarnings("ignore:shifted mode")
def test_saved_and_loaded_is_the_same(encoder, tmp_path, request):
    expected, _ = encoder(*make_batch())
    torch.save(encoder.state_dict(), tmp_path / "encoder.pt")
    torch.manual_seed(1)
    fresh = ENCODERS[request.node.callspec.params["encoder"]]().eval()
    fresh.load_state_dict(torch.load(tmp_path / "encoder.pt", weights_only=True))
    output, _ = fresh(*make_batch())
    torch.testing.assert_close(output, expected)


def hold_routing(encoder):
    """Let a router answer as it does the first time: rounding may move a boundary."""
    answers = []
    encoder.dynamic_chunking.router.register_forward_hook(
        lambda _, __, answer: answers.append(answer) or answers[0]
    )


def test_bf16_autocast_is_near(encoder, device):
    if encoder.dynamic_chunking is not None:
        hold_routing(encoder)
    expected, _ = encoder(*make_batch())
    with torch.autocast(device, torch.bfloat16):
        output, _ = encoder(*make_batch())
    error = (output.float() - expected).norm() / expected.norm()
    # Muon on segments of a few frames amplifies rounding
    assert error < 0.1


@pytest.mark.parametrize("name", CAUSAL)
def test_nothing_leaks_from_the_future(name):
    torch.manual_seed(0)
    encoder = ENCODERS[name]().eval()
    x, lengths = make_batch()
    x.requires_grad_()
    output, _ = encoder(x[:1], lengths[:1])
    for frame in range(23):
        (gradient,) = torch.autograd.grad(output[0, frame, 0], x, retain_graph=True)
        # a chunk is seen as a whole
        horizon = (frame // CAUSAL[name] + 1) * CAUSAL[name]
        assert gradient[0, frame].count_nonzero() > 0
        assert gradient[0, horizon:].count_nonzero() == 0


def test_layers_start_from_different_weights():
    first, second = conformer(lact()).blocks
    assert not torch.equal(
        first.mixer.project_qkv.weight, second.mixer.project_qkv.weight
    )


def with_head(encoder):
    """Make a model whose encoder's first block tells the second one its output."""
    torch.manual_seed(0)
    encoder.heads["1"] = CTCHead(D_MODEL, self_conditioning=True)
    model = CTCModel(torch.nn.Identity(), encoder, num_tokens=5)
    return model.to(next(encoder.blocks.parameters())).eval()


def output_of_head(model, run):
    """Return the head's output while something runs the encoder."""
    outputs = []
    head = model.encoder.heads["1"]
    note = head.register_forward_hook(lambda *call: outputs.append(call[2]))
    run(model.encoder)
    note.remove()
    [(_, log_probs)] = outputs
    return log_probs


def test_an_early_exit_has_the_output_of_the_head(encoder):
    model = with_head(encoder)
    x, lengths = make_batch()
    outputs = output_of_head(model, lambda whole: whole(x, lengths))
    early = exit_at(copy.deepcopy(model), 1)
    output, output_lengths = early.encoder(x, lengths)
    assert output_lengths.tolist() == NUM_FRAMES
    for log_probs, expected, num_frames in zip(
        early.score_frames(output), outputs, NUM_FRAMES, strict=True
    ):
        torch.testing.assert_close(log_probs[:num_frames], expected[:num_frames])


@pytest.fixture(params=CHUNKED)
def chunked(request, device):
    """Return an encoder in chunks; Muon on a few frames amplifies rounding."""
    torch.manual_seed(0)
    return ENCODERS[request.param]().eval().double()


@pytest.mark.parametrize(
    "sizes", [[1] * 23, [23], [5, 1, 0, 9, 8], [4, 8, 11]], ids=str
)
def test_pieces_of_any_size_equal_one_call(chunked, sizes):
    x, lengths = make_batch()
    x = x.double()
    expected, _ = chunked.chunked(x[:1], lengths[:1], CHUNKING)
    streaming = StreamingEncoder(chunked, CHUNKING)
    state, outputs = streaming.start(batch_size=1), []
    for piece in x[:1].split(sizes, dim=1):
        output, state = streaming.accept(piece, state)
        outputs.append(output)
    outputs.append(streaming.finish(state))
    output = torch.cat(outputs, dim=1)
    # token rates are float32
    torch.testing.assert_close(output, expected, atol=1e-5, rtol=1e-5)


def test_an_early_exit_in_chunks_has_the_output_of_the_head(chunked):
    model = with_head(chunked)
    x, lengths = make_batch()
    given = x.double()[:1], lengths[:1], CHUNKING
    outputs = output_of_head(model, lambda whole: whole.chunked(*given))
    early = exit_at(copy.deepcopy(model), 1)
    output, _ = early.encoder.chunked(*given)
    torch.testing.assert_close(early.score_frames(output), outputs.float())


def test_in_chunks_alone_equals_in_a_batch_of_nan(chunked):
    x, lengths = make_batch()
    x = x.double()
    for i, num_frames in enumerate(NUM_FRAMES):
        x[i, num_frames:] = torch.nan
    together, _ = chunked.chunked(x, lengths, CHUNKING)
    for i, num_frames in enumerate(NUM_FRAMES):
        alone, _ = chunked.chunked(
            x[i : i + 1, :num_frames], lengths[i : i + 1], CHUNKING
        )
        torch.testing.assert_close(alone, together[i : i + 1, :num_frames])


def test_no_chunk_sees_beyond_its_end(chunked):
    x, lengths = make_batch()
    x = x.double()
    x.requires_grad_()
    output, _ = chunked.chunked(x[:1], lengths[:1], CHUNKING)
    for frame in range(23):
        (gradient,) = torch.autograd.grad(output[0, frame, 0], x, retain_graph=True)
        horizon = (frame // CHUNK + 1) * CHUNK
        assert gradient[0, frame].count_nonzero() > 0
        assert gradient[0, horizon:].count_nonzero() == 0


def test_what_a_stream_remembers_stays_small(chunked):
    def size(state):
        if isinstance(state, torch.Tensor):
            return state.numel()
        return sum(map(size, state)) if isinstance(state, (list, tuple)) else 0

    streaming = StreamingEncoder(chunked, CHUNKING)
    state, sizes = streaming.start(batch_size=1), []
    for _ in range(12):
        _, state = streaming.accept(torch.randn(1, CHUNK, D_MODEL).double(), state)
        sizes.append(size(state))
    assert max(sizes) == sizes[-1] == sizes[4]


def test_one_chunk_sees_all_that_the_whole_does(chunked, request):
    if "causal" in request.node.name or "shifted" in request.node.name:
        pytest.skip("looks at less in any case")
    if "momentum" in request.node.name:
        pytest.skip("learns in chunks of its own")
    if "alternating" in request.node.name:
        pytest.skip("sees a window of the whole")
    if chunked.dynamic_chunking is not None:
        pytest.skip("smooths from both ends")
    x, lengths = make_batch()
    x = x.double()
    expected, _ = chunked(x, lengths)
    output, _ = chunked.chunked(x, lengths, Chunking(size=23, left=0))
    torch.testing.assert_close(output, expected)
