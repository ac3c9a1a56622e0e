"""Which parameters learn, at which rates, and where they start."""
