"""Decoders of streams: hypotheses so far, endpoints, utterances."""
