"""Functions in C++ for CPUs, and where they stand in for PyTorch's."""
