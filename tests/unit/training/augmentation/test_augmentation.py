import pytest
import soundfile
import torch

from lact_modules.data.corruption import add_noise, rms
from lact_modules.errors import InputError
from lact_modules.training.augmentation.augmentation import WaveformAugmenter

LENGTHS = torch.tensor([16000, 9000, 12000])


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Noises and rooms as options of an augmenter."""
    folder = tmp_path_factory.mktemp("sounds")
    generator = torch.Generator().manual_seed(0)
    for name, num_samples in (("noise", 40000), ("noise", 3000), ("rir", 4000)):
        (folder / name).mkdir(exist_ok=True)
        sound = 0.1 * torch.randn(num_samples, generator=generator)
        if name == "rir":
            sound *= torch.exp(-torch.arange(num_samples) / 500)
            sound[20] = 1.0
        path = folder / name / f"{num_samples}.wav"
        soundfile.write(path, sound.numpy(), 16000)
    return {"noise_folder": folder / "noise", "rir_folder": folder / "rir"}


@pytest.fixture
def signals():
    """Three utterances, their padding NaN."""
    torch.manual_seed(0)
    signals = 0.1 * torch.randn(3, 16000)
    for i, length in enumerate(LENGTHS):
        signals[i, length:] = torch.nan
    return signals


def everything(folders):
    return WaveformAugmenter(
        **folders,
        codecs=["mulaw", "vorbis"],
        noise_prob=1.0,
        rir_prob=1.0,
        codec_prob=1.0,
    )


def test_all_off_is_the_same_tensor(signals):
    assert WaveformAugmenter()(signals, LENGTHS)[0] is signals


def test_changes_every_utterance_and_leaves_padding_zero(folders, signals):
    augmented, _ = everything(folders)(signals, LENGTHS)
    assert augmented.shape == signals.shape
    for before, after, length in zip(signals, augmented, LENGTHS, strict=True):
        assert after[:length].isfinite().all()
        assert rms(after[:length] - before[:length]) > 0.1 * rms(before[:length])
        assert (after[length:] == 0).all()


def test_does_not_depend_on_the_padding(folders, signals):
    augment = everything(folders)
    torch.manual_seed(1)
    together, _ = augment(signals[:1], LENGTHS[:1])
    torch.manual_seed(1)
    padded = torch.nn.functional.pad(signals[:1], (0, 5000), value=7.0)
    assert torch.equal(augment(padded, LENGTHS[:1])[0][:, :16000], together)


def test_views_have_the_same_pauses_and_all_else_of_their_own(signals):
    def run(**options):
        augment = WaveformAugmenter(pause_prob=1.0, pause_seconds=[0.1, 0.2], **options)
        torch.manual_seed(1)
        return augment(signals, LENGTHS, num_views=2)

    views, lengths = run()
    assert torch.equal(*views.chunk(2))
    assert torch.equal(*lengths.chunk(2))
    assert (lengths[:3] > LENGTHS).all()
    augmented, _ = run(codecs=["mulaw", "narrowband", "vorbis"], codec_prob=0.8)
    assert augmented.shape == views.shape
    assert not torch.equal(*augmented.chunk(2))


def test_pauses_come_together(signals):
    prob, trials = 0.2, 400
    augment = WaveformAugmenter(pause_prob=prob, pause_seconds=[0.1, 0.1])
    torch.manual_seed(1)
    added = torch.stack([augment(signals, LENGTHS)[1] - LENGTHS for _ in range(trials)])
    # noise of one level has no place within: a pause before, and one after
    num_pauses = added / (2 * 1600)
    assert num_pauses.mean().item() == pytest.approx(prob, abs=0.05)
    # drawn one by one, 0.8 ** 6 = 26 % of the batches would have none
    without = (added == 0).all(dim=1).float().mean().item()
    assert without == pytest.approx(1 - prob / 0.8, abs=0.08)


def test_views_that_nothing_changes_are_alike(signals):
    views, lengths = WaveformAugmenter()(signals.nan_to_num(), LENGTHS, num_views=2)
    assert torch.equal(views, signals.nan_to_num().repeat(2, 1))
    assert torch.equal(lengths, LENGTHS.repeat(2))


def test_the_seed_decides(folders, signals):
    augment = everything(folders)

    def draw(seed):
        torch.manual_seed(seed)
        return augment(signals, LENGTHS)[0]

    assert torch.equal(draw(1), draw(1))
    assert not torch.equal(draw(1), draw(2))


def test_each_utterance_draws_its_own(folders):
    alike = torch.ones(8, 16000)
    augment = WaveformAugmenter(noise_folder=folders["noise_folder"], noise_prob=1.0)
    added = augment(alike, torch.full((8,), 16000))[0] - alike
    assert len({tuple(noise[:10].tolist()) for noise in added}) == 8


def test_snr_is_within_its_range(folders):
    speech = 0.1 * torch.randn(1, 16000)
    augment = WaveformAugmenter(
        noise_folder=folders["noise_folder"], noise_snr_db=[3, 6], noise_prob=1.0
    )
    for _ in range(10):
        noise = augment(speech, LENGTHS[:1])[0] - speech
        assert 2.9 < 20 * torch.log10(rms(speech[0]) / rms(noise[0])) < 6.1


def test_noise_is_not_put_into_the_room(folders, monkeypatch):
    seen = []

    def note(waveform, noise, snr_db):
        seen.append((waveform, noise))
        return add_noise(waveform, noise, snr_db)

    monkeypatch.setattr(
        "lact_modules.training.augmentation.augmentation.add_noise", note
    )
    click = torch.zeros(1, 8000)
    click[0, 0] = 1.0
    everything(folders)(click, torch.tensor([8000]))
    ((waveform, noise),) = seen
    # what comes to the noise has echoes; the noise is as recorded
    assert waveform[100:1000].abs().max() > 0
    assert rms(noise).item() == pytest.approx(0.1, rel=0.1)


def test_probability_is_the_share_of_utterances(folders):
    torch.manual_seed(0)
    signals = torch.ones(200, 400)
    augment = WaveformAugmenter(noise_folder=folders["noise_folder"], noise_prob=0.3)
    augmented, _ = augment(signals, torch.full((200,), 400))
    is_changed = (augmented != signals).any(dim=1)
    assert 40 < is_changed.sum() < 80


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"codecs": ["mulaw", "amr"]}, r"codecs: \['mulaw', 'amr'\] .* choose from mu"),
        ({"codecs": "mulaw"}, "codecs: 'mulaw' is no list"),
        ({"codecs": None}, "codecs: None is no list"),
        ({"codecs": ["mp3"], "codec_prob": 2}, "codec_prob: 2 is no probability"),
        ({"noise_snr_db": [15, 0]}, r"noise_snr_db: \[15, 0\] is no range"),
        ({"noise_snr_db": 15}, "noise_snr_db: 15 is no range"),
        ({"noise_snr_db": ["low", 0]}, "noise_snr_db: .* is no range"),
        ({"noise_folder": "nowhere"}, "nowhere: no such folder"),
        ({"rir_folder": "nowhere"}, "nowhere: no such folder"),
    ],
)
def test_wrong_arguments_are_named(arguments, message):
    with pytest.raises(InputError, match=message):
        WaveformAugmenter(**arguments)
