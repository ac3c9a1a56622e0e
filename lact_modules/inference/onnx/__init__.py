"""Models as ONNX graphs: written from PyTorch, and run by onnxruntime."""
