import pytest
import torch

from lact_modules.errors import InputError
from lact_modules.training.augmentation.augmentation import WaveformAugmenter
from lact_modules.training.augmentation.pauses import Pauses


@pytest.fixture
def words():
    """Two words of 0.5 s, 0.2 s of near silence between them."""
    torch.manual_seed(0)
    words = 0.1 * torch.randn(2, 8000)
    return torch.cat([words[0], 1e-4 * torch.randn(3200), words[1]])


def split(lengthened, words):
    """Find the samples of the utterance; return how much is before, in and behind."""
    first, last = words[0].item(), words[-1].item()
    start = (lengthened == first).nonzero()[0].item()
    end = (lengthened == last).nonzero()[-1].item() + 1
    return start, end - start - len(words), len(lengthened) - end


def test_no_speech_is_lost_or_moved_within_words(words):
    torch.manual_seed(1)
    lengthened = Pauses(1.0, [0.25, 0.25])(words)
    assert split(lengthened, words) == (4000, 4000, 4000)
    utterance = lengthened[4000:-4000]
    assert torch.equal(utterance[:8000], words[:8000])
    assert torch.equal(utterance[-8000:], words[-8000:])


def test_pauses_are_silence_or_quieter_noise(words):
    torch.manual_seed(1)
    level = words.square().mean().sqrt()
    starts = [Pauses(1.0, [0.5, 0.5])(words)[:8000] for _ in range(60)]
    levels = torch.stack([s.square().mean().sqrt() for s in starts]) / level
    assert 5 < (levels == 0).sum() < 35
    noisy = 20 * levels[levels > 0].log10()
    assert noisy.max() < -11.9
    assert noisy.min() > -60.1
    assert noisy.max() - noisy.min() > 30


def test_lengths_are_in_their_range_and_places_are_drawn_each(words):
    torch.manual_seed(1)
    lengthen = Pauses(0.5, [0.1, 1.0])
    drawn = torch.tensor([split(lengthen(words), words) for _ in range(200)])
    shares = (drawn > 0).float().mean(0)
    assert (shares > 0.35).all()
    assert (shares < 0.65).all()
    assert drawn[drawn > 0].min() >= 1600
    assert drawn.max() <= 16000


@pytest.mark.parametrize(
    "waveform",
    [torch.zeros(0), torch.zeros(5), torch.zeros(9000), torch.ones(9000)],
    ids=["empty", "tiny", "silent", "steady"],
)
def test_where_no_words_part_there_is_no_inner_pause(waveform):
    torch.manual_seed(1)
    lengthened = Pauses(1.0, [0.25, 0.25])(waveform)
    assert torch.equal(lengthened[4000:-4000], waveform)
    assert lengthened.isfinite().all()


def test_a_batch_is_as_long_as_its_longest(words):
    torch.manual_seed(1)
    signals = torch.stack([words, words])
    signals[1, 9000:] = torch.nan
    augment = WaveformAugmenter(pause_prob=1.0, pause_seconds=[0.25, 0.25])
    augmented, lengths = augment(signals, torch.tensor([len(words), 9000]))
    assert lengths.tolist() == [len(words) + 12000, 9000 + 8000]
    assert augmented.shape == (2, len(words) + 12000)
    assert (augmented[1, lengths[1] :] == 0).all()
    assert torch.equal(augmented[1, 4000:-4000][:9000], signals[1, :9000])


def test_noise_covers_pauses_too(words, tmp_path):
    soundfile = pytest.importorskip("soundfile")
    soundfile.write(tmp_path / "noise.wav", 0.1 * torch.randn(9000).numpy(), 16000)
    augment = WaveformAugmenter(
        pause_prob=1.0, noise_folder=str(tmp_path), noise_prob=1.0
    )
    augmented, _ = augment(words[None], torch.tensor([len(words)]))
    assert (augmented[0].unfold(0, 400, 400).std(1) > 0).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"pause_prob": 1.5}, "pause_prob: 1.5 is no probability"),
        ({"pause_prob": "often"}, "pause_prob: 'often' is no probability"),
        ({"pause_seconds": [2.0, 0.1]}, r"pause_seconds: \[2.0, 0.1\] is no range"),
        ({"pause_seconds": [0.0, 1.0]}, r"pause_seconds: .* give seconds above 0"),
        ({"pause_seconds": [1, float("inf")]}, "pause_seconds: .* above 0"),
        ({"pause_seconds": 3}, "pause_seconds: 3 is no range"),
    ],
)
def test_wrong_arguments_are_named(arguments, message):
    with pytest.raises(InputError, match=message):
        WaveformAugmenter(**arguments)
