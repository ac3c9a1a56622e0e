"""A training run's folder as the recipe leaves it, with a tiny model."""

import io
import shutil
import sys
from pathlib import Path

import pytest
import soundfile
import torch
from hyperpyyaml import load_hyperpyyaml, resolve_references
from speechbrain.utils.checkpoints import Checkpointer

from lact_modules.data.text.subwords import SubwordVocabulary
from lact_modules.data.text.vocabulary import Vocabulary

HYPERPARAMETERS = """
seed: 1
__set_seed: !apply:torch.manual_seed [!ref <seed>]
output_folder: !ref results/<seed>
avg_checkpoints: 2
d_model: 16
num_tokens: 6

mixer: !name:lact_modules.layers.LaCTMixer
    d_model: !ref <d_model>
    num_heads: 2
    num_lact_heads: 2
feed_forward: !name:lact_modules.layers.FeedForward
    d_model: !ref <d_model>
    d_ffn: !ref <d_model> * 2
encoder: !new:lact_modules.encoders.Encoder
    d_model: !ref <d_model>
    num_layers: 2
    mixer: !ref <mixer>
    ffn_in: !ref <feed_forward>
    ffn_out: !ref <feed_forward>

model: !new:lact_modules.encoders.CTCModel
    frontend: !new:lact_modules.frontends.MelFrontend
        d_model: !ref <d_model>
        channels: 4
    encoder: !ref <encoder>
    num_tokens: !ref <num_tokens>
"""


@pytest.fixture(scope="session")
def trained_run(tmp_path_factory):
    """Make a run with three checkpoints; not to be changed."""
    return make_run(tmp_path_factory.mktemp("run"), HYPERPARAMETERS)


@pytest.fixture(scope="session")
def streaming_run(tmp_path_factory):
    """Make a run of a streaming model; not to be changed."""
    return make_run(tmp_path_factory.mktemp("streaming"), streaming_hyperparameters())


def make_pieces():
    """Train 13 word pieces of the letters that the other runs have as characters."""
    sentences = ["AB BA", "DAB CAB", "A BAD CAB", "ABBA DAD"]
    return SubwordVocabulary.train(sentences, 13)


@pytest.fixture(scope="session")
def pieces_run(tmp_path_factory):
    """Make a run over word pieces at 12.5 frames a second, of a streaming model."""
    vocabulary = make_pieces()
    separable = "!name:lact_modules.frontends.SeparableConvolution"
    options = "frame_rate: 12.5", "audio_encoder_layers: 3", f"convolution: {separable}"
    hyperparameters = (
        streaming_hyperparameters()
        .replace("num_tokens: 6", f"num_tokens: {len(vocabulary)}")
        .replace("channels: 4", "\n        ".join(["channels: 4", *options]))
    )
    return make_run(tmp_path_factory.mktemp("pieces"), hyperparameters, vocabulary)


@pytest.fixture
def make_words_run(tmp_path):
    """Make runs whose tokens are the whole words of a SentencePiece model."""

    def make(model):
        words = SubwordVocabulary(model.read_bytes())
        num_tokens = f"num_tokens: {len(words)}"
        hyperparameters = HYPERPARAMETERS.replace("num_tokens: 6", num_tokens)
        folder = tmp_path / "words"
        folder.mkdir()
        return make_run(folder, hyperparameters, words)

    return make


@pytest.fixture(scope="session")
def chunked_run(tmp_path_factory):
    """Make a run whose second block runs on segments; not to be changed."""
    chunking = "!name:lact_modules.layers.dynamic_chunking.DynamicChunking"
    hyperparameters = HYPERPARAMETERS.replace(
        "    ffn_in:",
        f"    dynamic_chunking: {chunking}\n        router: cosine\n    ffn_in:",
    )
    return make_run(tmp_path_factory.mktemp("chunked"), hyperparameters)


@pytest.fixture(scope="session")
def headed_run(tmp_path_factory):
    """Make a run with a CTC head after its first block, of a streaming model."""
    hyperparameters = streaming_hyperparameters().replace(
        "    ffn_in:", "    heads:\n        1: self-conditioned-ctc\n    ffn_in:"
    )
    return make_run(tmp_path_factory.mktemp("headed"), hyperparameters)


@pytest.fixture(scope="session")
def windowed_run(tmp_path_factory):
    """Make a run of what the default recipe has: windows, fast weights at the top."""
    return make_run(tmp_path_factory.mktemp("windowed"), windowed_hyperparameters())


@pytest.fixture(scope="session")
def windowed_stream_run(tmp_path_factory):
    """Make a run of the same as a streaming model; not to be changed."""
    hyperparameters = windowed_hyperparameters().replace(
        "channels: 4", "channels: 4\n        normalization: running"
    )
    return make_run(tmp_path_factory.mktemp("windowed_stream"), hyperparameters)


def windowed_hyperparameters():
    """Return those of the default recipe, made small."""
    options = "window: [32, 32]", "rule: !new:lact_modules.ops.UpdateRule"
    block = (
        "layout: !name:lact_modules.encoders.layouts.upper_blocks",
        "    share: 0.5",
        "    below:",
        "        num_lact_heads: 0",
        "conv: !name:lact_modules.layers.ConvolutionModule",
        "    d_model: !ref <d_model>",
        "    kernel_size: 31",
        "ffn_in:",
    )
    return (
        HYPERPARAMETERS.replace(
            "num_lact_heads: 2",
            "\n    ".join(["num_lact_heads: 2", *options, "    update: down"]),
        )
        .replace("channels: 4", "channels: 4\n        statistics: speech")
        .replace("    ffn_in:", "    " + "\n    ".join(block))
    )


@pytest.fixture(scope="session")
def onnx_export(windowed_run, tmp_path_factory):
    """Export that run as a graph, which takes long; not to be changed."""
    return export_graph(windowed_run, tmp_path_factory.mktemp("onnx") / "export")


@pytest.fixture(scope="session")
def onnx_stream_export(windowed_stream_run, onnx_export, tmp_path_factory):
    """Export the step of a stream; the graph beside it is the other run's."""
    import onnx

    from lact_modules.inference.onnx import export, graph

    folder = tmp_path_factory.mktemp("onnx_stream") / "export"
    whole = onnx.load(onnx_export / "model.onnx")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(graph, "make_graph", lambda _: whole)
        patch.setattr(export, "check_graph", lambda *_: 0.0)
        options = "--streaming", "--chunk", "0.32", "--left", "0.64"
        return export_graph(windowed_stream_run, folder, *options)


def export_graph(run, folder, *options):
    """Export as the command line does, from fixtures that a session shares."""
    from lact_modules.cli.main import main

    arguments = "lact-asr", "export", run, folder, "--format", "onnx", *options
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", [*map(str, arguments)])
        with pytest.raises(SystemExit) as caught:
            main()
    assert not caught.value.code
    return folder


@pytest.fixture
def onnx_copy(onnx_export, tmp_path):
    """Copy the export, for a test that changes it."""
    return Path(shutil.copytree(onnx_export, tmp_path / "onnx"))


DECODER = """\
decoder: !new:lact_modules.decoders.TextDecoder
    d_model: !ref <d_model>
    num_layers: 1
    num_tokens: !ref <num_tokens>
    self_mixer: !name:lact_modules.layers.CausalMamba
        d_model: !ref <d_model>
    cross_mixer: !name:lact_modules.layers.CrossMamba
        d_model: !ref <d_model>
    ffn: !ref <feed_forward>

model: !new:lact_modules.encoders.S2SModel
    decoder: !ref <decoder>"""


def with_decoder(hyperparameters):
    """Add a text decoder to the model."""
    return hyperparameters.replace(
        "model: !new:lact_modules.encoders.CTCModel", DECODER
    )


def streaming_hyperparameters():
    """Return those of a streaming model."""
    # updates of all matrices are chaotic: rounding would show after some seconds
    rule = "rule: !new:lact_modules.ops.UpdateRule\n        update: down"
    return HYPERPARAMETERS.replace(
        "num_lact_heads: 2", f"num_lact_heads: 2\n    {rule}"
    ).replace("channels: 4", "channels: 4\n        normalization: running")


LETTERS = Vocabulary(["<blank>", "|", "A", "B", "C", "D"])


def make_run(folder, hyperparameters, vocabulary=LETTERS):
    resolved = resolve_references(io.StringIO(hyperparameters)).getvalue()
    (folder / "hyperparams.yaml").write_text(resolved)
    (folder / "result.json").write_text('{"wer": 30.0}')
    vocabulary.save(folder / vocabulary.file_name)
    # its output decides what tests can see
    torch.manual_seed(0)
    model = load_hyperpyyaml(resolved)["model"]
    # Large, or an untrained model outputs the same in every frame.
    torch.nn.init.normal_(model.output.weight, std=1.0)
    # begins and ends of texts have no sound, nor has what cannot be spelled
    special = [
        i for i, t in enumerate(vocabulary.tokens) if t in ("<s>", "</s>", "<unk>")
    ]
    model.output.bias.data[special] = -100.0
    checkpointer = Checkpointer(folder / "save", {"model": model})
    for wer in (40.0, 30.0, 50.0):
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(0.01 * torch.randn_like(parameter))
        checkpointer.save_checkpoint(meta={"WER": wer}, name=f"wer-{wer:.0f}")
    return folder


@pytest.fixture
def run_copy(trained_run, tmp_path):
    """Copy the run, for a test that breaks it."""
    return Path(shutil.copytree(trained_run, tmp_path / "run"))


@pytest.fixture(scope="session")
def audio_folder(tmp_path_factory):
    """Make noises of many lengths: 10 flac files at 16 kHz, 0.3 to 2.1 s."""
    folder = tmp_path_factory.mktemp("audio")
    generator = torch.Generator().manual_seed(0)
    for index in range(10):
        num_samples = 4800 + (index * 7 % 10) * 3200
        loudness = torch.linspace(0, 20, num_samples).sin().abs()
        noise = 0.2 * loudness * torch.randn(num_samples, generator=generator)
        path = folder / f"noise-{index}.flac"
        soundfile.write(path, noise.clamp(-1, 1).numpy(), 16000)
    return folder


@pytest.fixture(scope="session")
def twenty_files(tmp_path_factory):
    """Make noises that every program has to recognize alike: 20 files, 0.3 to 0.8 s."""
    folder = tmp_path_factory.mktemp("twenty")
    generator = torch.Generator().manual_seed(1)
    for index in range(20):
        num_samples = 4800 + 401 * index
        loudness = torch.linspace(0, 9 + index, num_samples).sin().abs()
        noise = 0.05 * loudness * torch.randn(num_samples, generator=generator)
        # sherpa-onnx takes the mean away
        samples = (noise - noise.mean()).numpy()
        soundfile.write(folder / f"{index:02}.wav", samples, 16000, "FLOAT")
    return folder
