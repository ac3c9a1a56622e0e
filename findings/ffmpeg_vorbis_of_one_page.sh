#!/usr/bin/env bash
# The last page of Ogg Vorbis tells how many samples there are, whatever the codec's blocks
# hold. One expects FFmpeg and libsndfile to give that number. Where all of the sound is on
# one page, as of a spoken command, FFmpeg 8.1 counts from another sample: the end of the
# last word is lost, or up to 30 ms follow it. With more pages both give the same.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    av==18.1.0 soundfile==0.14.0 numpy==2.4.6
cd "$folder"
venv/bin/python - <<'PYTHON'
import io

import av
import numpy as np
import soundfile

print("av", av.__version__, "with FFmpeg", av.ffmpeg_version_info, end=", ")
print("soundfile", soundfile.__version__, soundfile.__libsndfile_version__)
# two pages of headers, and those of sound
for length, loudness, pages in ((5000, 0, 3), (10000, 0, 3), (10000, 1, 3), (48000, 1, 6)):
    tone = 0.1 * np.sin(np.arange(length) / 9)
    noise = 0.1 * np.random.default_rng(0).standard_normal(length)
    stream = io.BytesIO()
    samples = noise if loudness else tone
    soundfile.write(stream, samples, 16000, format="OGG", subtype="VORBIS")
    data = stream.getvalue()
    assert data.count(b"OggS") == pages
    one, _ = soundfile.read(io.BytesIO(data))
    with av.open(io.BytesIO(data)) as container:
        frames = list(container.decode(audio=0))
    other = np.concatenate([frame.to_ndarray()[0] for frame in frames])
    print(
        f"{length} samples on {pages - 2} page(s): libsndfile reads {len(one)},",
        f"FFmpeg {len(other)}, from time {frames[0].pts} on",
    )
    assert len(one) == length
    # both begin with the same sample, whatever the time says
    both = min(len(one), len(other))
    assert np.allclose(one[:both], other[:both], atol=1e-4)
    if pages == 3:
        assert len(other) != length and frames[0].pts == 256
    else:
        assert len(other) == length and frames[0].pts == 0
PYTHON
