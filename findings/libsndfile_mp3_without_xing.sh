#!/usr/bin/env bash
# An MP3 stream need not begin with a Xing frame: encoders that write to a pipe cannot go
# back to fill it in. libsndfile 1.2.2 then guesses the length from the size of the first
# frame. Where the bitrate varies the guess is wrong, and reading stops at it without an
# error: here at about a third of eight seconds. One expects the end of the stream.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check soundfile==0.14.0 numpy==2.4.6
cd "$folder"
venv/bin/python - <<'PYTHON'
import io

import numpy as np
import soundfile

print("soundfile", soundfile.__version__, soundfile.__libsndfile_version__)
assert soundfile.__libsndfile_version__ == "1.2.2"
rate, generator = 16000, np.random.default_rng(0)
noise = 0.3 * generator.standard_normal(4 * rate)
tone = 0.01 * np.sin(2 * np.pi * 200 * np.arange(4 * rate) / rate)
samples = np.concatenate([noise, tone])
stream = io.BytesIO()
soundfile.write(stream, samples, rate, format="MP3", bitrate_mode="VARIABLE")
whole = stream.getvalue()
# the first frame holds no sound, only the table of lengths
first = whole.index(whole[:2], 4)
assert b"Xing" in whole[:first] and b"Xing" not in whole[first:]
for name, data in (("with Xing frame", whole), ("without", whole[first:])):
    with soundfile.SoundFile(io.BytesIO(data)) as file:
        announced, read = file.frames, len(file.read())
    print(f"{name}: {announced} frames announced, {read} read of {len(samples)}")
    if name == "without":
        assert announced == read < 0.5 * len(samples)
    else:
        assert announced == read == len(samples)
PYTHON
