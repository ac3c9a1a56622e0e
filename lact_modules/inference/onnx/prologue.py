"""What an exported graph does with samples before the model: pad, and rescale them.

sherpa-onnx passes nothing but samples to a model that reads them, one utterance after
the other, each normalized to mean 0 and variance 1. Log-mel features have a floor, and
need the original loudness. It can be recovered: sherpa-onnx divides by
``sqrt(variance + 1e-5)``, so the difference to a mean square of 1 shows it.
"""

from onnx import ModelProto, TensorProto, compose, helper, parser

# lengths that are omitted: all samples are valid, as sherpa-onnx has it
_OMITTED = -1

_TEXT = """
<ir_version: {ir_version}, opset_import: ["" : {opset}]>
prologue (float[batch, samples] waveform, int64[rows] lengths)
    => (float[batch, frames, {unit}] blocks, int64[batch] valid)
{{
    batch = Shape<start = 0, end = 1>(waveform)
    count = Shape<start = 1, end = 2>(waveform)
    each = Expand(lengths, batch)
    none = Constant<value_ints = [0]>()
    is_omitted = Less(each, none)
    valid = Where(is_omitted, count, each)

    # whole frames, and at least one
    unit = Constant<value_ints = [{unit}]>()
    first = Constant<value_ints = [1]>()
    some = Max(count, first)
    beyond = Sub(some, first)
    before = Div(beyond, unit)
    frames = Add(before, first)
    total = Mul(frames, unit)
    silence = Sub(total, count)
    three = Constant<value_ints = [0, 0, 0]>()
    ends = Concat<axis = 0>(three, silence)
    whole = Pad(waveform, ends)
    shape = Constant<value_ints = [0, -1, {unit}]>()
    given = Reshape(whole, shape)

    # what would have been left of the mean square, if it was divided as described above
    along = Constant<value_ints = [2]>()
    energy = ReduceSumSquare<keepdims = 1>(given, along)
    wide = Cast<to = {double}>(energy)
    axis = Constant<value_ints = [1]>()
    sum = ReduceSum<keepdims = 1>(wide, axis)
    number = Cast<to = {double}>(count)
    power = Div(sum, number)
    one = Constant<value = double {{1.0}}>()
    tenth = Constant<value = double {{0.1}}>()
    added = Constant<value = double {{0.00001}}>()
    # of what is as loud as can be
    least = Constant<value = double {{0.00001}}>()
    missing = Sub(one, power)
    at_least = Max(missing, least)
    variance = Div(added, at_least)
    deviation = Sqrt(variance)
    gain = Cast<to = {float}>(deviation)
    # speech from -1 to 1 is seldom so loud; what was below -60 dB stays as it comes
    is_loud = Greater(power, tenth)
    inner = Constant<value_ints = [1, 2]>()
    column = Unsqueeze(is_omitted, inner)
    is_divided = And(is_loud, column)
    as_it_is = Constant<value = float {{1.0}}>()
    factor = Where(is_divided, gain, as_it_is)
    blocks = Mul(given, factor)
}}
"""


def add_prologue(core: ModelProto, unit: int) -> ModelProto:
    """Let a model that needs whole frames and all lengths take any samples.

    Instead of frames (B, T, unit) it takes ``waveform`` (B, N); ``lengths`` (B,) may be
    omitted.
    """
    opset = next(each.version for each in core.opset_import if not each.domain)
    text = _TEXT.format(
        ir_version=core.ir_version,
        opset=opset,
        unit=unit,
        double=TensorProto.DOUBLE,
        float=TensorProto.FLOAT,
    )
    prologue = parser.parse_model(text)
    joined = compose.merge_models(
        compose.add_prefix(prologue, "given.", rename_inputs=False),
        core,
        io_map=[
            (f"given.{name}", each.name)
            for name, each in zip(("blocks", "valid"), core.graph.input, strict=True)
        ],
    )
    # merged, it names its operators twice, which the quantizer does not know
    del joined.opset_import[1:]
    omitted = helper.make_tensor("lengths", TensorProto.INT64, [1], [_OMITTED])
    joined.graph.initializer.append(omitted)
    return joined
