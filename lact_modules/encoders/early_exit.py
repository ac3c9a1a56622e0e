"""Early exit: a model that ends at a head, with none of the blocks above it."""

from torch import nn

from lact_modules.encoders.ctc_model import CTCModel
from lact_modules.encoders.encoder import Encoder
from lact_modules.encoders.heads import CTCHead, block_of, ctc_head_after
from lact_modules.errors import InputError


def exit_at(model: CTCModel, block: int) -> CTCModel:
    """End a model at a CTC head; its output is the head's.

    What is left is a model like any other: to transcribe, to stream, to adapt.
    After a block that runs on segments of dynamic chunking, the output is per segment.

    Arguments
    ---------
    model : CTCModel
        With heads. Its encoder is cut; a text decoder is not taken along.
    block : int
        The last one, counted from 1.

    Returns
    -------
    CTCModel
        Of the same front end and encoder, in the same mode.

    Raises
    ------
    InputError
        If there is no CTC head after that block, or the model is an ONNX graph.

    Example
    -------
    >>> from functools import partial
    >>> from lact_modules.frontends import MelFrontend
    >>> from lact_modules.layers import FeedForward, LaCTMixer
    >>> mixer, ffn = partial(LaCTMixer, 8, 2, 2), partial(FeedForward, 8, 16)
    >>> encoder = Encoder(8, 3, mixer, ffn, heads={2: "ctc"})
    >>> early = exit_at(CTCModel(MelFrontend(8), encoder, num_tokens=5), 2)
    >>> len(early.encoder.blocks), early.output.out_features
    (2, 5)
    """
    if not isinstance(model, CTCModel):
        raise InputError(
            f"exit_block {block}: an ONNX graph cannot be cut; use the training run or "
            "an export of --format lact"
        )
    encoder = model.encoder
    heads = encoder.heads if isinstance(encoder, Encoder) else nn.ModuleDict()
    head = ctc_head_after(heads, block)
    if head is None:
        blocks = [block_of(name) for name in heads if isinstance(heads[name], CTCHead)]
        found = ", ".join(map(str, sorted(blocks)))
        raise InputError(
            f"exit_block {block}: no CTC head stands there; "
            + (f"the model has heads after {found}" if found else "the model has none")
        )
    assert isinstance(encoder, Encoder)
    _cut(encoder, block)
    encoder.norm = head.norm
    below = {name: heads[name] for name in heads if block_of(name) < block}
    # set aside, since a new model gives all heads that it finds fresh outputs
    encoder.heads = nn.ModuleDict()
    early = CTCModel(model.frontend, encoder, num_tokens=1)
    encoder.heads.update(below)
    early.output = head.output
    return early.train(model.training)


def _cut(encoder: Encoder, block: int) -> None:
    """Take away the blocks above, and dynamic chunking that none is left for."""
    first, stop = encoder.inner
    encoder.blocks = encoder.blocks[:block]
    encoder.inner = min(first, block), min(stop, block)
    if block <= first:
        encoder.dynamic_chunking = None
    elif block <= stop:
        assert encoder.dynamic_chunking is not None
        encoder.dynamic_chunking.upsample = False
