#!/usr/bin/env bash
# A WAV file of a block codec says in its `fact` chunk how many samples it holds, since the
# last block is filled up. One expects a reader to stop there, and a file to come back as long
# as it was written. libsndfile 1.2.2 writes the right number for GSM 6.10, Microsoft's ADPCM
# and G.721, and reads to the end of the last block: more sound, which is not silent, follows
# the end. For IMA ADPCM the number that it writes counts whole blocks already.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    soundfile==0.14.0 numpy==2.2.6
cd "$folder"
venv/bin/python - <<'PYTHON'
import io
import struct

import numpy as np
import soundfile

print("soundfile", soundfile.__version__, soundfile.__libsndfile_version__)
samples = 0.1 * np.sin(np.arange(1234) / 9)
for subtype, announced, decoded in (
    ("PCM_16", None, 1234),
    ("GSM610", 1234, 1280),
    ("MS_ADPCM", 1234, 1500),
    ("G721_32", 1234, 1320),
    ("IMA_ADPCM", 1515, 1515),
):
    stream = io.BytesIO()
    soundfile.write(stream, samples, 8000, format="WAV", subtype=subtype)
    data = stream.getvalue()
    place = data.find(b"fact")
    fact = struct.unpack_from("<I", data, place + 8)[0] if place >= 0 else None
    back, _ = soundfile.read(io.BytesIO(data))
    loudest = np.abs(back[1234:]).max(initial=0)
    print(
        f"{subtype}: 1234 samples written, fact chunk {fact}, {len(back)} read;",
        f"after the end the loudest is {loudest:.3f}",
    )
    assert (fact, len(back)) == (announced, decoded)
    assert len(back) == soundfile.info(io.BytesIO(data)).frames
    assert (loudest > 0.01) == (decoded > 1234)
PYTHON
