"""Words that are tones, and strings of them."""

import math

import torch

RATE = 16000
NAMES = ["ONE", "TWO", "SIX", "TEN"]
PAUSE, WORD = torch.zeros(RATE // 5), RATE * 3 // 10


def tone(name):
    """Make a word: a tone of its own, with a short silence within."""
    time = torch.arange(WORD) / RATE
    wave = 0.3 * torch.sin(2 * math.pi * 300 * (NAMES.index(name) + 1) * time)
    wave[1500:2000] = 0.0
    return wave


def speak(words):
    parts = [PAUSE, *(part for word in words for part in (tone(word), PAUSE))]
    waveform = torch.cat(parts)
    return waveform + 1e-4 * torch.randn(len(waveform))
