"""Who speaks the synthetic corpus."""

from dataclasses import dataclass
from random import Random

ACCENTS = ("en", "en-us", "en-gb-x-rp", "en-us-nyc")
_FEMALE = ("f1", "f2", "f3", "f4", "f5", "linda", "steph")
_MALE = ("m1", "m2", "m3", "m4", "m6", "m7", "m8", "max")
# No divisor in common with the number of accents: see plan_speakers.
VARIANTS = _FEMALE + _MALE

SPEAKERS = {"train": 32, "dev": 4, "test": 8}
"""Speakers of each split; no speaker is in two."""


@dataclass(frozen=True)
class Speaker:
    """One voice of the corpus, and how many sentences it speaks in its split.

    Rate in words a minute, pitches 0 to 99; the voice is espeak-ng's, such as
    ``en-us+f3``.
    """

    id: int
    split: str
    voice: str
    rate: int
    pitch: int
    pitch_range: int
    utterances: int

    @property
    def sex(self) -> str:
        """F or M."""
        return "F" if self.voice.rpartition("+")[2] in _FEMALE else "M"


def plan_speakers(sizes: dict[str, int], seed: int) -> list[Speaker]:
    """Choose the voices, and share each split's utterances among its speakers.

    Speaker `i` has accent `i mod 8` and variant `i mod 15` of the shuffled lists: 120
    different voices, and each accent and variant of the test is in the training data.
    Ids begin at 1, with the training.
    """
    random = Random(f"{seed} speakers")
    accents = random.sample(ACCENTS, len(ACCENTS))
    variants = random.sample(VARIANTS, len(VARIANTS))
    speakers: list[Speaker] = []
    for split, size in sizes.items():
        number = min(SPEAKERS[split], size)
        for share in range(number):
            i = len(speakers)
            speaker = Speaker(
                id=i + 1,
                split=split,
                voice=f"{accents[i % len(accents)]}+{variants[i % len(variants)]}",
                rate=random.randint(135, 165),
                pitch=random.randint(35, 65),
                pitch_range=random.randint(35, 65),
                utterances=len(range(share, size, number)),
            )
            speakers.append(speaker)
    return speakers
