"""From log-probabilities to text: CTC and attention; no model is run here."""
