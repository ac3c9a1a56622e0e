"""From a trained model to text: load, transcribe, format, export."""
