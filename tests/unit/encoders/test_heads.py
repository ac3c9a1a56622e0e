"""Heads after blocks: what they read, output and pass on, wherever blocks run."""

from copy import deepcopy
from functools import partial

import pytest
import torch
from torch import nn

from lact_modules.encoders import CTCModel, Encoder
from lact_modules.encoders.dynamic_chunks import DynamicChunks
from lact_modules.encoders.early_exit import exit_at
from lact_modules.encoders.heads import CTCHead, make_heads
from lact_modules.errors import InputError
from lact_modules.frontends import MelFrontend
from lact_modules.layers import AttentionMixer, FeedForward
from lact_modules.layers.dynamic_chunking import DynamicChunking

LENGTHS = torch.tensor([20, 9])


def make_encoder(num_layers=3, **options):
    mixer, ffn = partial(AttentionMixer, 8, 2), partial(FeedForward, 8, 16)
    return Encoder(8, num_layers, mixer, ffn, **options)


def make_model(num_tokens=5, **options):
    torch.manual_seed(0)
    encoder = make_encoder(**options)
    return CTCModel(MelFrontend(8, channels=4), encoder, num_tokens).eval()


def routed(router="ctc-blank", split=(1, 2), **options):
    chunking = partial(DynamicChunking, router=router, keep_ratio=0.5)
    return make_model(dynamic_chunking=chunking, block_split=split, **options)


def test_all_else_begins_as_without_heads():
    models = [make_model(), make_model(heads={1: "ctc", 2: "self-conditioned-ctc"})]
    drawn = []
    for model in models:
        torch.manual_seed(0)
        model.set_num_tokens(7)
        drawn.append(torch.rand(()))
    for name, expected in models[0].named_parameters():
        assert torch.equal(models[1].get_parameter(name), expected), name
    assert drawn[0] == drawn[1]


def test_a_head_without_conditioning_changes_nothing():
    x = torch.randn(2, 20, 8)
    plain, headed = make_model(), make_model(heads={1: "ctc", 3: ["ctc", "ctc"]})
    assert torch.equal(headed.encoder(x, LENGTHS)[0], plain.encoder(x, LENGTHS)[0])


def test_conditioned_frames_have_the_projected_posteriors_added():
    model = make_model(heads={2: "self-conditioned-ctc"})
    encoder, head = model.encoder, model.encoder.heads["2"]
    x, is_padding = torch.randn(2, 20, 8), torch.arange(20) >= LENGTHS[:, None]
    expected = x.masked_fill(is_padding[..., None], 0.0)
    for number, block in enumerate(encoder.blocks, start=1):
        expected = block(expected, is_padding)
        if number == 2:
            posteriors = head.output(head.norm(expected)).softmax(dim=-1)
            expected = expected + head.condition(posteriors)
    output, _ = encoder(x, LENGTHS)
    torch.testing.assert_close(output[~is_padding], encoder.norm(expected)[~is_padding])


def test_models_set_the_tokens_of_heads():
    model = make_model(num_tokens=None, heads={1: "self-conditioned-ctc"})
    model.set_num_tokens(11)
    head = model.encoder.heads["1"]
    assert (head.output.out_features, head.condition.in_features) == (11, 11)


def test_heads_stand_though_blocks_are_passed_over():
    encoder = make_encoder(layer_drop=1.0, heads={1: "ctc", 3: "ctc"}).train()
    outputs = []
    for head in encoder.heads.values():
        head.register_forward_hook(lambda _, __, answer: outputs.append(answer[1]))
    encoder(torch.randn(2, 20, 8), LENGTHS)
    assert [each.shape for each in outputs] == [(2, 20, 2)] * 2


@pytest.mark.parametrize("block", [1, 2])
@pytest.mark.parametrize("kind", ["ctc", "self-conditioned-ctc"])
def test_an_exit_has_the_output_of_the_head(block, kind):
    model = make_model(heads={1: kind, 2: kind}).train()
    outputs = {}
    head = model.encoder.heads[f"{block}"]
    head.register_forward_hook(lambda _, __, answer: outputs.update(head=answer[1]))
    waveform, lengths = torch.randn(2, 8000), torch.tensor([8000, 3200])
    early = exit_at(deepcopy(model), block).eval()
    assert len(early.encoder.blocks) == block
    log_probs, frames = early(waveform, lengths)
    model(waveform, lengths)
    for row, length in enumerate(frames):
        torch.testing.assert_close(
            log_probs[row, :length], outputs["head"][row, :length]
        )


@pytest.mark.parametrize("block", [1, 2, 3, 4])
def test_exits_before_on_and_after_segments(block):
    model = routed("uniform", num_layers=4, heads={n: "ctc" for n in range(1, 5)})
    head = model.encoder.heads[f"{block}"]
    head.runs_in_eval, outputs = True, []
    head.register_forward_hook(lambda _, __, answer: outputs.append(answer[1]))
    x = torch.randn(2, 20, 8)
    model.encoder(x, LENGTHS)
    early = exit_at(deepcopy(model), block)
    output, lengths = early.encoder(x, LENGTHS)
    num_frames = LENGTHS if block in (1, 4) else torch.tensor([10, 5])
    assert lengths.tolist() == num_frames.tolist()
    log_probs = early.score_frames(output)
    for row, length in enumerate(lengths):
        torch.testing.assert_close(log_probs[row, :length], outputs[0][row, :length])


def test_an_exit_where_no_head_stands_is_refused():
    with pytest.raises(InputError, match=r"exit_block 3: .* after 1, 2$"):
        exit_at(make_model(heads={2: "ctc", 1: "ctc"}), 3)
    with pytest.raises(InputError, match=r"has none$"):
        exit_at(make_model(), 1)


def test_the_blank_router_reads_the_head_before_it():
    made, given = routed(), routed(heads={1: "self-conditioned-ctc", 3: "ctc"})
    assert [*made.encoder.heads] == ["1"]
    assert [*given.encoder.heads] == ["1", "3"]
    head, read = given.encoder.heads["1"], []
    given.encoder.dynamic_chunking.router.register_forward_hook(
        lambda _, given, __: read.append(given[0])
    )
    x = torch.randn(2, 20, 8)
    given.encoder(x, LENGTHS)
    block = given.encoder.blocks[0]
    is_padding = torch.arange(20) >= LENGTHS[:, None]
    frames = block(x.masked_fill(is_padding[..., None], 0.0), is_padding)
    expected = head(frames, is_padding)[1]
    torch.testing.assert_close(read[0][~is_padding], expected[~is_padding])


def test_weights_of_a_blank_router_of_its_own_are_refused():
    model = routed()
    weights = model.state_dict()
    weights["encoder.dynamic_chunking.router.output.weight"] = torch.zeros(5, 8)
    with pytest.raises(InputError, match=r"^weights: of a ctc-blank router .* again$"):
        model.load_state_dict(weights)


def test_numbers_may_be_text_as_in_json():
    assert [*make_heads({"2": "ctc", "3": [CTCHead, "ctc"]}, 8, 3)] == ["2", "3", "3_2"]


@pytest.mark.parametrize(
    ("heads", "num_layers", "found"),
    [
        ({"middle": "ctc"}, 4, ["2"]),
        ({"middle": "ctc"}, 5, ["2"]),
        ({"middle": "ctc"}, 1, []),
        # as where a recipe's head is merged with one of the command line
        ({"middle": "ctc", 2: CTCHead, 3: "ctc"}, 4, ["2", "3"]),
        ({"middle": "ctc", "2": None}, 4, []),
        ({"middle": None, 1: "ctc"}, 4, ["1"]),
    ],
)
def test_the_middle_block_is_the_same_at_any_depth(heads, num_layers, found):
    assert [*make_heads(heads, 8, num_layers)] == found


@pytest.mark.parametrize(
    ("split", "found"), [([1, 3], ["1"]), ([3, 1], ["2"]), ([0, 2], [])]
)
def test_the_middle_block_is_not_among_those_on_segments(split, found):
    encoder = Encoder(
        *(8, 4, partial(AttentionMixer, 8, 2), partial(FeedForward, 8, 16)),
        dynamic_chunking=partial(DynamicChunking, router="uniform"),
        block_split=split,
        heads={"middle": "ctc"},
    )
    assert [*encoder.heads] == found


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"heads": {0: "ctc"}}, "heads: 0: .* from 1 to 3"),
        ({"heads": {4: "ctc"}}, "heads: 4: "),
        ({"heads": {"last": "ctc"}}, "heads: 'last': "),
        ({"heads": {1: "attention"}}, "'attention': choose one of"),
        ({"heads": {1: "ctc", "1": "ctc"}}, "heads: '1' twice; expected its heads in "),
        ({"heads": "ctc"}, "heads: 'ctc': expected {BLOCK: HEAD}, each of"),
        ({"heads": ["ctc"]}, r"heads: \['ctc'\]: expected {BLOCK: HEAD}"),
        ({"heads": {1: [None]}}, "heads: None: expected {BLOCK: HEAD}"),
        ({"heads": {1: ["ctc", 3]}}, "heads: 3: expected {BLOCK: HEAD}"),
        ({"heads": {1: CTCHead(8)}}, "heads: a made CTCHead; expected {BLOCK: "),
        ({"heads": {1: torch.nn.LayerNorm}}, "a LayerNorm is no head; expected {BLOCK"),
    ],
)
def test_what_does_not_fit_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        make_encoder(**options)


def test_a_blank_router_needs_a_block_before_it():
    with pytest.raises(ValueError, match="needs a block before the segments"):
        routed(split=(0, 3))


def test_chunks_and_truncated_gradients_leave_conditioned_frames_the_same():
    chunks = DynamicChunks(sizes=[4], left_contexts=[40], full_context_prob=0.0)
    model = make_model(heads={1: "self-conditioned-ctc"}, streaming_chunks=chunks)
    whole = model.encoder
    cut = deepcopy(whole)
    cut.streaming_chunks = DynamicChunks(
        [4], [40], full_context_prob=0.0, backprop_frames=8
    )
    x = torch.randn(2, 20, 8)
    torch.testing.assert_close(cut.train()(x, LENGTHS)[0], whole.train()(x, LENGTHS)[0])


def test_nothing_but_heads_is_made_of_an_empty_batch():
    encoder = make_encoder(heads={1: "self-conditioned-ctc"})
    output, lengths = encoder(torch.zeros(2, 0, 8), torch.tensor([0, 0]))
    assert (output.shape, lengths.tolist()) == ((2, 0, 8), [0, 0])
    assert isinstance(encoder.heads, nn.ModuleDict)
