"""From log-probabilities to text: CTC decoders, lexicons, n-gram language models."""
