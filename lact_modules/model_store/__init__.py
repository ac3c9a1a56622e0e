"""A trained model on disk and hub: exports, loading; not its use."""
