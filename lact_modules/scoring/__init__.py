"""Error rates, transcripts and alignments, of training and of inference."""
