#!/usr/bin/env bash
# 0 samples in the header of a FLAC stream mean that their number is unknown (RFC 9639,
# section 8.2): encoders that cannot go back write so. libsndfile 1.2.2 announces 2^63 - 1
# frames, fails at the end of the stream in the place of ending there, and what was decoded
# of the last block is lost. One expects what a WAV file of unknown length gives: all.
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
samples = 0.1 * np.sin(np.arange(48000) / 9)
stream = io.BytesIO()
soundfile.write(stream, samples, 16000, format="FLAC")
data = bytearray(stream.getvalue())
# the number of samples: 36 bits from the middle of byte 21 on
data[21] &= 0xF0
data[22:26] = bytes(4)
read, error = 0, None
with soundfile.SoundFile(io.BytesIO(bytes(data))) as file:
    announced = file.frames
    try:
        while len(block := file.read(4096)):
            read += len(block)
    except soundfile.LibsndfileError as raised:
        error = raised
print(f"{announced} frames announced, {read} of 48000 read, then {error!r}")
assert announced == 2**63 - 1 and read < 48000 and error is not None
PYTHON
