"""A stream is recognized as the whole is, whatever its pieces."""

import math
from functools import partial

import pytest
import torch

from lact_modules.data.text.vocabulary import Vocabulary
from lact_modules.decoding.ctc import GreedyDecoder, build_decoder
from lact_modules.decoding.stream.endpoint import Endpoint
from lact_modules.encoders import CTCModel, Encoder
from lact_modules.errors import InputError
from lact_modules.frontends import MelFrontend
from lact_modules.inference.streaming import StreamingRecognizer
from lact_modules.layers import BiMambaMixer, ConvolutionModule, FeedForward, LaCTMixer
from lact_modules.layers.chunking import Chunking
from lact_modules.model_store.trained_model import TrainedModel

LACT = partial(LaCTMixer, 16, 2, 2)


def make_trained(normalization="running", mixer=LACT):
    torch.manual_seed(0)
    vocabulary = Vocabulary.from_texts(["ABCDE"])
    encoder = Encoder(
        16,
        2,
        mixer,
        partial(FeedForward, 16, 32),
        conv=partial(ConvolutionModule, 16, kernel_size=5),
    )
    frontend = MelFrontend(16, channels=4, normalization=normalization)
    model = CTCModel(frontend, encoder, len(vocabulary)).requires_grad_(False)
    # an untrained model outputs much the same in every frame: differences have to count
    torch.nn.init.normal_(model.output.weight, std=2.0)
    frames, lengths = model.make_frames(make_samples()[None], torch.tensor([96000]))
    hidden, _ = model.encoder(frames, lengths)
    model.output.bias.copy_(-(model.output.weight @ hidden[0].mean(dim=0)))
    return TrainedModel(model.eval(), vocabulary, None)


def make_samples(seconds=6.0):
    generator = torch.Generator().manual_seed(1)
    samples = 0.3 * torch.randn(int(16000 * seconds), generator=generator)
    return samples * torch.linspace(0, 60, len(samples)).sin().abs()


@pytest.fixture(scope="module")
def whole():
    """Return the words of the whole, in chunks."""
    trained, samples = make_trained(), make_samples()
    trained.model.encoder.chunking = Chunking(size=8, left=50)
    outputs = trained.model(samples[None], torch.tensor([len(samples)]))
    decoder = GreedyDecoder(trained.vocabulary, trained.model.frame_rate)
    [hypothesis] = decoder(*outputs)
    assert len(hypothesis.words) > 4
    return hypothesis


def make_recognizer(**options):
    return StreamingRecognizer(
        make_trained(), chunk_seconds=0.32, left_seconds=2.0, **options
    )


@pytest.mark.parametrize("size", [333, 5000, 96000])
def test_pieces_of_any_size_are_recognized_as_the_whole(size, whole):
    recognizer, text = make_recognizer(), ""
    for piece in make_samples().split(size):
        before, text = text, recognizer.accept(piece)
        # only the last word may still change
        assert text.startswith(before.rpartition(" ")[0])
    stable = recognizer.partial.stable
    assert recognizer.heard == recognizer.partial
    assert stable == whole.words[: len(stable)]
    assert recognizer.finish() == whole.text
    assert sum((u.words for u in recognizer.take()), ()) == whole.words
    assert recognizer.text == ""


def test_saved_in_mid_stream_it_continues_elsewhere(whole, tmp_path):
    first, samples = make_recognizer(), make_samples()
    first.accept(samples[:41234])
    torch.save(first.state_dict(), tmp_path / "state.pt")
    second = make_recognizer()
    second.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    second.accept(samples[41234:])
    assert second.finish() == whole.text


@pytest.mark.parametrize("size", [1000, 96000])
def test_utterances_end_and_are_given_once(size, whole):
    recognizer = make_recognizer(endpoint=Endpoint(silence=9.0, longest=1.0))
    taken = []
    for piece in make_samples().split(size):
        recognizer.accept(piece)
        taken += recognizer.take()
        assert len(recognizer.text) < 20
    assert recognizer.seconds == 6.0
    recognizer.finish()
    taken += recognizer.take()
    assert recognizer.take() == ()
    assert [round(25 * u.words[0].start) // 32 for u in taken] == [0, 1, 2, 3, 4]
    letters = "".join(u.text for u in taken).replace(" ", "")
    assert letters == whole.text.replace(" ", "")


def test_after_its_end_another_stream_begins(whole):
    recognizer, samples = make_recognizer(), make_samples()
    fork = recognizer.fork()
    for _ in range(2):
        recognizer.accept(samples)
        assert recognizer.finish() == recognizer.finish() == whole.text
    assert (fork.text, fork.seconds) == ("", 0.0)
    fork.accept(samples)
    assert fork.finish() == whole.text


def test_a_beam_searches_pieces_as_the_whole(tmp_path):
    trained, samples = make_trained(), make_samples()
    trained.model.encoder.chunking = Chunking(size=8, left=50)
    outputs = trained.model(samples[None], torch.tensor([len(samples)]))
    rate = trained.model.frame_rate
    [whole] = build_decoder(trained.vocabulary, rate, beam_size=8)(*outputs)
    assert len(whole.words) > 2
    longest = Endpoint(silence=9.0)
    one = make_recognizer(endpoint=longest, beam_size=8)
    many, other = one.fork(), one.fork()
    one.accept(samples)
    for piece in samples[:41234].split(1000):
        many.accept(piece)
    assert many.partial.stable == whole.words[: len(many.partial.stable)]
    torch.save(many.state_dict(), tmp_path / "state.pt")
    other.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    assert other.words == many.words
    for recognizer in (many, other):
        for piece in samples[41234:].split(3000):
            recognizer.accept(piece)
    for recognizer in (one, many, other):
        assert recognizer.finish() == whole.text
        [utterance] = recognizer.take()
        assert utterance.words == whole.words
        assert utterance.score == pytest.approx(whole.score, abs=1e-2)
    with pytest.raises(InputError, match="another kind of decoder"):
        make_recognizer().load_state_dict(many.state_dict())


@pytest.mark.parametrize("frontend", [{"kind": "os.system"}, {"kind": []}, [1], None])
def test_another_thing_is_no_state(frontend):
    recognizer = make_recognizer()
    state = {**recognizer.state_dict(), "frontend": frontend}
    with pytest.raises(InputError, match="state of a stream"):
        recognizer.load_state_dict(state)
    assert recognizer.finish() == ""


def mutate(packed):
    """Return copies of a packed state, each with one value of a wrong kind."""
    if isinstance(packed, dict):
        for key, value in packed.items():
            yield from ({**packed, key: wrong} for wrong in mutate(value))
    elif isinstance(packed, list):
        for index, value in enumerate(packed):
            rest = packed[:index], packed[index + 1 :]
            yield from ([*rest[0], wrong, *rest[1]] for wrong in mutate(value))
    for wrong in (None, "A", 2.5, math.nan, 10**20, [], {}, torch.ones(7), b"\0"):
        if type(wrong) is not type(packed) or isinstance(packed, torch.Tensor | int):
            yield wrong


def test_values_of_a_wrong_kind_are_reported(whole):
    recognizer, samples = make_recognizer(), make_samples()
    recognizer.accept(samples[:41234])
    refused = 0
    for state in mutate(recognizer.state_dict()):
        other = recognizer.fork()
        try:
            other.load_state_dict(state)
        except InputError:
            refused += 1
            assert (other.text, other.seconds) == ("", 0.0)
        else:
            # what fits can be gone on with
            other.accept(samples[:8000])
            other.finish()
    assert refused > 100


def test_silence_has_no_words():
    recognizer = make_recognizer()
    assert recognizer.accept(torch.zeros(0)) == ""
    assert recognizer.finish() == ""


def test_a_model_that_needs_the_whole_is_refused():
    with pytest.raises(InputError, match="running"):
        StreamingRecognizer(make_trained(normalization="utterance"))
    with pytest.raises(InputError, match="bidirectional=False"):
        StreamingRecognizer(make_trained(mixer=partial(BiMambaMixer, 16, d_state=4)))
