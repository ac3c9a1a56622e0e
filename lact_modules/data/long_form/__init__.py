"""Long recordings, joined of utterances, and the order of these."""
