#!/usr/bin/env bash
# Segments of a recording are read by seeking to where they begin. One expects, sample for
# sample, what reading from the start gives there. In Ogg Vorbis, libsndfile 1.2.2 starts
# some milliseconds late in the last page, and after a seek from further back the first
# samples hold a remainder of where the decoder was before.
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
samples = 0.1 * np.random.default_rng(0).standard_normal(123457)
stream = io.BytesIO()
soundfile.write(stream, samples, 16000, format="OGG", subtype="VORBIS")
whole, _ = soundfile.read(io.BytesIO(stream.getvalue()))


def read_at(start, already_read=0):
    file = soundfile.SoundFile(io.BytesIO(stream.getvalue()))
    file.read(already_read)
    file.seek(start)
    return file.read(1000)


def is_at(part, start):
    return np.allclose(part, whole[start : start + len(part)], atol=1e-6)


start = 118000
late = [by for by in range(1, 2000) if is_at(read_at(start), start + by)]
print(f"seek to {start} of {len(whole)}: begins {late} samples late")
assert len(late) == 1
part, start = read_at(68000, already_read=62000), 68000
wrong = np.flatnonzero(np.abs(part - whole[start : start + 1000]) > 1e-6)
print(f"62000 read, seek to {start}: the first {wrong[-1] + 1} samples are wrong")
assert is_at(read_at(start), start) and is_at(part[wrong[-1] + 1 :], start + wrong[-1] + 1)
PYTHON
