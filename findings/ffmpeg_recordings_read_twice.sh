#!/usr/bin/env bash
# To read a recording again one seeks to its start, and expects the same samples, as MP4
# gives. FFmpeg 8.1 trims the encoder's delay but once: the second reading of Opus begins
# 312 samples before the sound, so that all words come 6.5 ms later. Of Matroska that was
# not read before, a seek to the start passes over the first packet, which is from before
# time zero, and the delay is trimmed from the next: up to 64 ms are lost.
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


def encode(samples, rate, codec, format):
    stream = io.BytesIO()
    with av.open(stream, "w", format=format) as container:
        track = container.add_stream(codec, rate=rate, layout="mono")
        frame = av.AudioFrame.from_ndarray(samples[None], format="flt", layout="mono")
        frame.sample_rate, frame.pts = rate, 0
        resampler = av.AudioResampler(track.format, "mono", rate, track.frame_size)
        for piece in [*resampler.resample(frame), *resampler.resample(None)]:
            container.mux(track.encode(piece))
        container.mux(track.encode(None))
    return stream.getvalue()


def read(container):
    return np.concatenate([frame.to_ndarray()[0] for frame in container.decode(audio=0)])


for codec, rate, format, more, fewer in (
    ("aac", 16000, "mp4", 0, 0),
    ("aac", 16000, "matroska", 0, 1024),
    ("libmp3lame", 16000, "matroska", 529, 576),
    ("libopus", 48000, "webm", 312, 0),
    ("libopus", 48000, "ogg", 312, 0),
):
    noise = np.random.default_rng(0).standard_normal(4 * rate, dtype=np.float32)
    data = encode(0.1 * noise, rate, codec, format)
    with av.open(io.BytesIO(data)) as container:
        first = read(container)
        container.seek(0)
        again = read(container)
    with av.open(io.BytesIO(data)) as container:
        container.seek(0)
        sought = read(container)
    print(
        f"{codec} in {format}: {len(first)} samples, {len(again)} in a second reading,",
        f"{len(sought)} in a first one after seek(0)",
    )
    assert len(again) == len(first) + more and len(sought) == len(first) - fewer
    if codec == "libopus":
        # the same sound, later; at the start Opus has not settled
        half = len(first) // 2
        assert np.allclose(first[half:], again[half + more :], atol=1e-3)
PYTHON
