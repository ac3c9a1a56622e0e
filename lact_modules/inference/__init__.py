"""The use of a trained model: files and streams to text; not its files."""
