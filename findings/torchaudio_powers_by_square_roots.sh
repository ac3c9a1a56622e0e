#!/usr/bin/env bash
# Mel features begin with a power spectrogram, and one expects the Fourier transform to take most
# of its time: a power is two squares and a sum. Spectrogram(power=2), the default of
# torchaudio 2.11.0, computes the absolute value of each complex number, with a square root that
# guards against overflow, and squares it again: on a CPU this lasts longer than the transform,
# and twice as long as the squares of both parts, whose result is the same but for rounding.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    torch==2.11.0 torchaudio==2.11.0
cd "$folder"
OMP_NUM_THREADS=1 venv/bin/python - <<'PYTHON' 2>errors.txt || { cat errors.txt; exit 1; }
import time
from statistics import median

import torch
import torchaudio
from torchaudio.transforms import Spectrogram

print("torchaudio", torchaudio.__version__, "torch", torch.__version__)
waveform = torch.randn(8, 160000)
transform = Spectrogram(512, 400, 160, power=None)
powers = Spectrogram(512, 400, 160, power=2)


def squares(waveform):
    spectrum = transform(waveform)
    return spectrum.real.square() + spectrum.imag.square()


torch.testing.assert_close(powers(waveform), squares(waveform), rtol=1e-4, atol=1e-4)
seconds = {transform: [], powers: [], squares: []}
# in turns, so that other work on the machine meets all of them
for _ in range(21):
    for compute, found in seconds.items():
        started = time.perf_counter()
        compute(waveform)
        found.append(time.perf_counter() - started)
alone, by_roots, by_squares = (median(found) for found in seconds.values())
print(f"transform alone       {1000 * alone:5.1f} ms")
print(f"power=2               {1000 * by_roots:5.1f} ms, {by_roots / alone:.1f} times")
print(f"and sums of squares   {1000 * by_squares:5.1f} ms, {by_squares / alone:.1f} times")
assert by_roots - alone > 0.7 * alone
assert by_roots - alone > 1.4 * (by_squares - alone)
PYTHON
