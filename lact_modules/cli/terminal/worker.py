"""A thread that computes for a command."""

from concurrent.futures import ThreadPoolExecutor


def start_worker() -> ThreadPoolExecutor:
    """Start a thread to compute in, by itself.

    Ctrl-C reaches the main thread, not the callbacks by which soundfile writes to
    memory: they would swallow it, and what they were to write. And a sum's last bits
    depend on the number of threads that compute it.
    """
    import torch

    return ThreadPoolExecutor(1, initializer=torch.set_num_threads, initargs=(1,))
