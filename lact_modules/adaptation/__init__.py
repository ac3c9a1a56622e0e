"""Test-time training: adapt a trained model to each utterance that it transcribes."""
