"""From manifests to examples, of one utterance or of several."""
