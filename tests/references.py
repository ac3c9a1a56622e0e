"""Published implementations of the gated delta rule, as tests can have them."""

import importlib
import importlib.util
import sys
from importlib.metadata import PackageNotFoundError, distribution
from types import ModuleType

import pytest

FLA = "fla/ops/gated_delta_rule"


def import_qwen3_next() -> ModuleType:
    """Import transformers' model as if fla was not there, whose kernel it would take.

    Without a GPU that fails, and importing all of fla takes long.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "fla", None)
        return importlib.import_module(
            "transformers.models.qwen3_next.modeling_qwen3_next"
        )


def locate_fla(name: str) -> str:
    """Return the path of a file of fla's; the test is skipped if there is none."""
    try:
        return str(distribution("fla-core").locate_file(f"{FLA}/{name}"))
    except PackageNotFoundError:
        pytest.skip("fla-core is not installed")


def import_naive() -> ModuleType:
    """Import fla's reference by itself: the package wants Triton."""
    spec = importlib.util.spec_from_file_location("fla_naive", locate_fla("naive.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
