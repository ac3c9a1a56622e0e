"""What all tests share: one thread, since the tests compute little."""

import torch

torch.set_num_threads(1)
