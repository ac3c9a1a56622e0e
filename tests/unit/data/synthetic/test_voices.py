from lact_modules.data.synthetic.voices import SPEAKERS, plan_speakers

FULL_SIZES = {"train": 2400, "dev": 80, "test": 160}


def test_speakers_differ_and_test_voices_are_made_of_training_parts():
    speakers = plan_speakers(FULL_SIZES, seed=0)
    assert len({speaker.voice for speaker in speakers}) == len(speakers)
    assert [speaker.id for speaker in speakers] == list(range(1, len(speakers) + 1))
    parts = {part for s in speakers[:32] for part in s.voice.split("+")}
    for split, size in FULL_SIZES.items():
        of_split = [speaker for speaker in speakers if speaker.split == split]
        assert len(of_split) == SPEAKERS[split]
        assert sum(speaker.utterances for speaker in of_split) == size
        assert all(set(speaker.voice.split("+")) <= parts for speaker in of_split)


def test_seed_chooses_the_voices():
    assert plan_speakers(FULL_SIZES, 1) == plan_speakers(FULL_SIZES, 1)
    assert plan_speakers(FULL_SIZES, 1) != plan_speakers(FULL_SIZES, 2)
