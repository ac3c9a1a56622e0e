"""Threads of PyTorch on a CPU."""

import os


def obey_thread_limit() -> None:
    """Take no more threads than OpenMP gives, by ``OMP_THREAD_LIMIT``.

    PyTorch counts on all that it asks for. With fewer, gradients of convolutions are
    wrong (2.15.0), or they never end (https://github.com/pytorch/pytorch/issues/91547).

    Example
    -------
    >>> obey_thread_limit()
    """
    limit = os.environ.get("OMP_THREAD_LIMIT", "").strip()
    if limit.isdecimal() and int(limit):
        # takes seconds; only where it is needed
        import torch

        torch.set_num_threads(min(torch.get_num_threads(), int(limit)))
