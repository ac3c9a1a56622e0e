"""Functions in C++ for CPUs, and where they replace PyTorch's."""
