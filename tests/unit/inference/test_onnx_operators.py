"""Operators in the form that onnxruntime is fast at do what PyTorch's do."""

import onnx
import onnxruntime
import pytest
import torch
from torch.nn import functional

from lact_modules.inference.onnx.operators import Rewritten


def attend(mask, **options):
    q, k, v = torch.randn(3, 2, 4, 5, 6)
    return functional.scaled_dot_product_attention(20 * q, k, v, mask, **options)


def mask():
    return torch.eye(5, dtype=torch.bool) | (torch.rand(2, 1, 5, 5) > 0.5)


CALLS = {
    "linear": lambda: torch.nn.Linear(6, 4)(torch.randn(2, 5, 6)),
    "rows": lambda: torch.nn.Linear(6, 4)(torch.randn(5, 6)),
    "without bias": lambda: torch.nn.Linear(6, 4, bias=False)(torch.randn(2, 5, 6)),
    "norm": lambda: torch.nn.LayerNorm(6)(torch.randn(2, 5, 6)),
    "attention": lambda: attend(None),
    "attention to some": lambda: attend(mask()),
    "attention with scores": lambda: attend(torch.randn(2, 1, 5, 5)),
    "attention with a scale": lambda: attend(None, scale=0.1),
    "attention to the past": lambda: attend(None, is_causal=True),
    "padded convolution": lambda: torch.nn.Conv1d(6, 6, 3, padding=1, groups=6)(
        torch.randn(2, 6, 9)
    ),
    "kept dimension": lambda: torch.randn(2, 5, 6).logsumexp(-1, keepdim=True),
    "convolution": lambda: torch.conv1d(
        torch.randn(2, 6, 9), torch.randn(6, 1, 3), torch.randn(6), groups=6
    ),
    "unit": lambda: functional.normalize(torch.randn(2, 5, 6), dim=-1),
    "logsumexp": lambda: (50 * torch.randn(2, 5, 6)).logsumexp(-1),
}


@pytest.mark.parametrize("name", CALLS)
@torch.no_grad()
def test_forms_do_what_pytorch_does(name):
    torch.manual_seed(0)
    expected = CALLS[name]()
    torch.manual_seed(0)
    with Rewritten():
        given = CALLS[name]()
    torch.testing.assert_close(given, expected, atol=1e-5, rtol=1e-5)
    assert expected.abs().sum() > 1


def test_a_graph_has_these_forms_where_it_runs(onnx_export, tmp_path):
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimized.onnx")
    options.log_severity_level = 4
    onnxruntime.InferenceSession(str(onnx_export / "model.onnx"), options)
    graph = onnx.load(tmp_path / "optimized.onnx").graph
    kinds = [node.op_type for node in graph.node]
    # attention guards no rows, nothing is merged that is slower for it
    assert not {"IsNaN", "SkipLayerNormalization", "ReduceLogSumExp"} & {*kinds}
    # layers share what they see of one another
    assert kinds.count("Softmax") == 2
    assert kinds.count("Or") == 1
