#!/usr/bin/env bash
# Ogg streams may be chained (RFC 3533, section 4), and recorders and cat join MP3 and FLAC
# files. One expects all of the sound, or an error. libsndfile 1.2.2 gives the first part,
# and says nothing of the rest.
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
samples = 0.1 * np.sin(np.arange(32000) / 9)
kinds = [("OGG", "VORBIS"), ("OGG", "OPUS"), ("FLAC", "PCM_16")]
kinds.append(("MP3", "MPEG_LAYER_III"))
for format, subtype in kinds:
    stream = io.BytesIO()
    soundfile.write(stream, samples, 16000, format=format, subtype=subtype)
    with soundfile.SoundFile(io.BytesIO(2 * stream.getvalue())) as file:
        announced, read = file.frames, len(file.read())
    print(f"{format} {subtype}: {announced} announced, {read} read, 64000 written")
    assert announced == read == 32000
PYTHON
