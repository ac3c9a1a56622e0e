"""Language models: n-grams, transformers; how they join a search is decoding."""
