#!/usr/bin/env bash
# A codec that overlaps its frames needs a few of them after a seek; from there on one
# expects the samples of the whole recording. An AAC encoder may leave bands of noise out
# and tell their energy alone (perceptual noise substitution). FFmpeg 8.1 draws such noise
# from where its generator happens to be: what follows a seek stays another signal to the
# end of the file, so that a segment differs with where decoding began.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check av==18.1.0 numpy==2.4.6
cd "$folder"
venv/bin/python - <<'PYTHON'
import io

import av
import numpy as np

print("av", av.__version__, "with FFmpeg", av.ffmpeg_version_info)
RATE, FRAME = 16000, 1024


def encode(samples, options):
    stream = io.BytesIO()
    with av.open(stream, "w", format="mp4") as container:
        track = container.add_stream("aac", rate=RATE, layout="mono", options=options)
        frame = av.AudioFrame.from_ndarray(samples[None], format="fltp", layout="mono")
        frame.sample_rate, frame.pts = RATE, 0
        container.mux([*track.encode(frame), *track.encode(None)])
    return stream.getvalue()


def decode(data, second):
    with av.open(io.BytesIO(data)) as container:
        container.seek(second * RATE, stream=container.streams.audio[0])
        frames = list(container.decode(audio=0))
    return frames[0].pts, np.concatenate([frame.to_ndarray()[0] for frame in frames])


generator = np.random.default_rng(0)
speech = 0.1 * generator.standard_normal(20 * RATE, dtype=np.float32)
for name, options in (("with", {}), ("without", {"aac_pns": "0"})):
    data = encode(speech, {"b": "24000", **options})
    _, whole = decode(data, 0)
    assert np.array_equal(whole, decode(data, 0)[1])
    start, part = decode(data, 10)
    error = np.abs(part - whole[start:])
    print(
        f"{name} noise substitution: from sample {start} on, greatest difference",
        f"{error[: 2 * FRAME].max():.2g} in two frames, {error[-RATE:].max():.2g} in the",
        f"last second, of {np.abs(whole).max():.2g}",
    )
    if name == "with":
        assert error[-RATE:].max() > 0.05
    else:
        assert error[2 * FRAME :].max() == 0
PYTHON
