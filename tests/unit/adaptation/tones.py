"""A language of tones that a small recognizer learns in seconds."""

import torch
from torch.nn.functional import ctc_loss
from torch.nn.utils.rnn import pad_sequence

from lact_modules.adaptation.gate import CleanStatistics, Traits

LETTERS = {"A": 400, "B": 800, "C": 1600, "D": 3200}
VOCABULARY = ["<blank>", "|", *LETTERS]
# frames of 10 ms
_LETTER, _PAUSE = 1600, 800


def synthesize(text, noise=0.0, seed=0):
    """Return samples: a tone for each letter, then a pause, longer between words."""
    time = torch.arange(_LETTER) / 16000
    pause = torch.zeros(_PAUSE)
    parts = [pause]
    for letter in text:
        if letter == " ":
            parts += [pause, pause]
        else:
            parts += [0.3 * (2 * torch.pi * LETTERS[letter] * time).sin(), pause]
    signal = torch.cat(parts)
    generator = torch.Generator().manual_seed(seed)
    return signal + noise * torch.randn(len(signal), generator=generator)


def draw_texts(count, seed):
    """Draw sentences of two to four words, of one to three letters."""
    generator = torch.Generator().manual_seed(seed)

    def draw(low, high):
        return int(torch.randint(low, high, (1,), generator=generator))

    words = ["A", "AB", "CD", "DAC", "B", "BCA"]
    return [
        " ".join(words[draw(0, len(words))] for _ in range(draw(2, 5)))
        for _ in range(count)
    ]


def encode(text):
    return [VOCABULARY.index("|" if each == " " else each) for each in text]


def train(model, steps=120):
    """Train on clean tones; some seconds on one core."""
    torch.manual_seed(0)
    model.train().requires_grad_()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for step in range(steps):
        texts = draw_texts(8, seed=step)
        signals = [synthesize(text, 0.01, seed) for seed, text in enumerate(texts)]
        lengths = torch.tensor([len(signal) for signal in signals])
        log_probs, frames = model(pad_sequence(signals, batch_first=True), lengths)
        targets = [torch.tensor(encode(text)) for text in texts]
        loss = ctc_loss(
            log_probs.transpose(0, 1),
            torch.cat(targets),
            frames,
            torch.tensor([len(target) for target in targets]),
        )
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    return model.eval().requires_grad_(False)


def measure(model):
    """Return the model's statistics of clean tones."""
    traits = []
    for seed, text in enumerate(draw_texts(24, seed=1000)):
        signal = synthesize(text, 0.01, seed)
        traits.append(Traits.of(*model(signal[None], torch.tensor([len(signal)]))))
    return CleanStatistics.of(traits)
