"""A model on a stream: in chunks, and with its state as plain data."""
