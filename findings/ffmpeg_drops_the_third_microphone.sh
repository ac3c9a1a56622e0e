#!/usr/bin/env bash
# A meeting is recorded by microphones in a WAV file of three channels, which says nothing of
# loudspeakers. One expects the mixture to one channel to hold all three. FFmpeg 8.1.2 takes
# them for a stereo pair and a subwoofer, and mixes without the third: what was said there is
# gone. Of four, the weights differ by the place that it supposes; of six, the fourth is lost.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check av==18.1.0 numpy==2.4.6
cd "$folder"
venv/bin/python - <<'PYTHON'
import io
import wave

import av
import numpy as np

print("av", av.__version__, "with FFmpeg", av.ffmpeg_version_info)
rng = np.random.default_rng(0)
for channels, lost in (2, []), (3, [3]), (4, []), (6, [4]):
    samples = rng.integers(-3000, 3000, (16000, channels)).astype(np.int16)
    data = io.BytesIO()
    with wave.open(data, "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(16000)
        file.writeframes(samples.tobytes())
    data.seek(0)
    resampler = av.AudioResampler(format="flt", layout="mono", rate=16000)
    with av.open(data) as container:
        layout = container.streams.audio[0].layout.name
        frames = [
            frame.to_ndarray()[0]
            for decoded in container.decode(audio=0)
            for frame in resampler.resample(decoded)
        ]
    mixed = 32768 * np.concatenate(frames)
    weights = np.linalg.lstsq(samples[: len(mixed)].astype(float), mixed, rcond=None)[0]
    print(f"{channels} channels as {layout!r}: weights {weights.round(2).tolist()}")
    assert [
        place + 1 for place, weight in enumerate(weights) if abs(weight) < 1e-3
    ] == lost
PYTHON
