"""Exported graphs in the place of a model, run by onnxruntime."""
