"""Codes from a teacher: clusters of its frames, by k-means."""

import hashlib
import json
import random
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.vq import kmeans2, vq
from torch import Tensor

from lact_modules.data.audio import load_utterance
from lact_modules.data.code_file import MOST_CODES, CodeFile, write_codes
from lact_modules.data.manifest.manifest import Utterance
from lact_modules.errors import InputError
from lact_modules.whole_file import whole_file, write_whole

Frames = NDArray[np.float32]
"""(T, D)"""

Encode = Callable[[Tensor], Frames]
"""Returns the frames of samples (N,)."""

Watch = Callable[[Iterable[Utterance], str, int], Iterator[Utterance]]
"""Passes utterances on; takes what is done with them, and their number."""

# means of fewer frames are noise; of one utterance they are alike
_FRAMES_A_CODE = 100
_FRAMES_AN_UTTERANCE = 100
_ITERATIONS = 20
# utterances; what an interrupt loses at most
_PART = 100


def compute_codes(
    utterances: Sequence[Utterance],
    encode: Encode,
    num_codes: int,
    path: str | Path,
    about: str,
    watch: Watch = lambda utterances, about, total: iter(utterances),
) -> None:
    """Cluster a teacher's frames, and write the cluster of each frame as ``.npz``.

    An interrupted run leaves ``<path>.parts``, from which the next one continues; parts
    made by another teacher, as ``about`` describes it, are refused.
    """
    path = Path(path)
    if path.exists():
        raise InputError(f"{path}: exists; remove it or name another file")
    if num_codes > MOST_CODES:
        raise InputError(f"--codes {num_codes}: at most {MOST_CODES} are supported")
    parts = path.with_name(f"{path.name}.parts")
    _begin(parts, [about, num_codes, _digest(utterances)])
    means = _find_means(parts / "means.npy", utterances, encode, num_codes, watch)
    left = [
        (parts / f"{start:09}.npz", utterances[start : start + _PART])
        for start in range(0, len(utterances), _PART)
    ]
    todo = [(part, some) for part, some in left if not part.exists()]
    watched = watch(
        (u for _, some in todo for u in some),
        "Writing codes",
        sum(len(some) for _, some in todo),
    )
    for part, some in todo:
        codes = {
            u.id: _encode(encode(load_utterance(next(watched))), means) for u in some
        }
        write_codes(part, codes, num_codes)
    files = [(CodeFile(part), some) for part, some in left]
    whole = {u.id: file[u.id] for file, some in files for u in some}
    write_codes(path, whole, num_codes)
    shutil.rmtree(parts)


def _digest(utterances: Sequence[Utterance]) -> str:
    names = "\n".join(utterance.id for utterance in utterances)
    return hashlib.sha256(names.encode()).hexdigest()


def _begin(parts: Path, settings: list[str | int]) -> None:
    """Make the folder of parts, or see that it is of the same."""
    note = parts / "settings.json"
    if note.exists() and json.loads(note.read_text(encoding="utf-8")) != settings:
        raise InputError(
            f"{parts}: is of another teacher, number of codes or manifest; remove it"
        )
    parts.mkdir(parents=True, exist_ok=True)
    write_whole(note, json.dumps(settings))


def _find_means(
    path: Path,
    utterances: Sequence[Utterance],
    encode: Encode,
    num_codes: int,
    watch: Watch,
) -> Frames:
    """Cluster frames of utterances that are drawn at random; the same each time."""
    if path.exists():
        means: Frames = np.load(path, allow_pickle=False)
        return means
    wanted, found = num_codes * _FRAMES_A_CODE, 0
    draw, samples = np.random.default_rng(0), []
    order = random.Random(0).sample(utterances, len(utterances))
    enough = -(-wanted // _FRAMES_AN_UTTERANCE)
    for utterance in watch(order, "Clustering", min(enough, len(order))):
        frames = encode(load_utterance(utterance))
        some = draw.permutation(len(frames))[:_FRAMES_AN_UTTERANCE]
        samples.append(frames[some])
        found += len(some)
        if found >= wanted:
            break
    frames = np.concatenate(samples)
    different = np.unique(frames, axis=0)
    if len(different) < num_codes:
        raise InputError(
            f"--codes {num_codes}: there are only {len(different)} different frames; "
            "use fewer codes"
        )
    begin = different[draw.choice(len(different), num_codes, replace=False)]
    means, _ = kmeans2(frames, begin, iter=_ITERATIONS, minit="matrix")
    with whole_file(path) as unfinished, open(unfinished, "wb") as stream:
        np.save(stream, means)
    return means


def _encode(frames: Frames, means: Frames) -> NDArray[np.integer]:
    codes: NDArray[np.integer] = vq(frames, means)[0]
    return codes
