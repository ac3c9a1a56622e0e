"""Kernels of optional packages: where they are used, and what is reported."""

import sys
import types
import warnings

import pytest
import torch

from lact_modules.ops import kernels
from lact_modules.ops.kernels import kernel_for


class OnCuda(types.SimpleNamespace):
    """What is looked at of a tensor."""

    is_cuda, dtype = True, torch.float32


@pytest.fixture(autouse=True)
def nothing_is_known(monkeypatch):
    """Take what stands for a tensor on CUDA, and forget what was imported."""
    monkeypatch.setattr(kernels, "Tensor", OnCuda)
    kernels._import_kernel.cache_clear()
    yield
    kernels._import_kernel.cache_clear()


def test_a_kernel_is_imported_where_it_serves(monkeypatch):
    package = types.ModuleType("fast_package")
    package.attend = print
    monkeypatch.setitem(sys.modules, "fast_package", package)
    assert kernel_for(OnCuda(), "fast_package", "attend") is print
    assert kernel_for(OnCuda(dtype=torch.float64), "fast_package", "attend") is None


@pytest.mark.parametrize("is_old", [False, True])
def test_a_missing_package_is_reported_once(is_old, monkeypatch):
    package = types.ModuleType("fast_package") if is_old else None
    monkeypatch.setitem(sys.modules, "fast_package", package)
    with pytest.warns(
        UserWarning, match=r"fast_package.*pip install 'lact-asr\[gpu\]'"
    ):
        assert kernel_for(OnCuda(), "fast_package", "attend") is None
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert kernel_for(OnCuda(), "fast_package", "attend") is None


def test_off_cuda_and_of_fake_tensors_nothing_is_imported_or_reported():
    class Fake(OnCuda):
        pass

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for x in (torch.zeros(1), Fake()):
            assert kernel_for(x, "no_such_package", "attend") is None
