"""Pure tensor functions: fast weights, their updates, and chunks of them.

``naive`` is the specification; the rest agrees with it and is fast.
"""

from lact_modules.ops.ttt.chunked import chunked_ttt
from lact_modules.ops.ttt.fast_weight import FastWeight
from lact_modules.ops.ttt.state import TTTState
from lact_modules.ops.ttt.update_rule import UpdateRule

__all__ = ["FastWeight", "TTTState", "UpdateRule", "chunked_ttt"]
