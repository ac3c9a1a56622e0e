"""Write models as ONNX graphs; `model_store.onnx` runs them."""
