"""The embedded default corpus, spoken by espeak-ng."""
