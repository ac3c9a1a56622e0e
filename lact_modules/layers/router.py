"""What dynamic chunking asks of a router."""

from typing import NamedTuple, Protocol

from torch import Tensor

from lact_modules.ops.chunking import Routing


class RouterState(NamedTuple):
    """What a router remembers of a stream.

    Arguments
    ---------
    num_frames : int
        Frames so far.
    last : Tensor
        (B, 1, D), the last of them.
    """

    num_frames: int
    last: Tensor


class Router(Protocol):
    """What `DynamicChunking` asks of a router, which is an nn.Module too.

    Attributes
    ----------
    merges : bool
        Whether the frames of a chunk are so alike that their mean stands for them.
    """

    merges: bool

    def __call__(
        self,
        x: Tensor,
        is_padding: Tensor,
        kept: float,
        state: RouterState | None = None,
    ) -> Routing:
        """Tell where chunks begin; a frame's answer depends on none after it.

        Arguments
        ---------
        x : Tensor
            (B, T, D); finite, but without influence at padding.
        is_padding : Tensor
            (B, T) bool.
        kept : float
            Share of the frames that are to begin chunks, above 0, at most 1.
        state : RouterState | None
            After the frames before; None at the beginning.

        Returns
        -------
        Routing
            Of (B, T) frames.
        """

    def calibrate(self, is_on: bool) -> None:
        """Let what is heard outside of training, as long as it is on, set how to keep.

        In training, dropout and augmentation make frames more unlike than they are.

        Arguments
        ---------
        is_on : bool
            Whether to begin anew, or to end.
        """
