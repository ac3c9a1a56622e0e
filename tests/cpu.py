"""What the CPU that runs the tests can do."""

from pathlib import Path

import pytest

_INFO = Path("/proc/cpuinfo")

needs_vnni = pytest.mark.skipif(
    not _INFO.is_file() or "vnni" not in _INFO.read_text(),
    reason="without VNNI, products of 8 bits overflow in onnxruntime",
)
"""For accuracy in 8 bits on x86."""
