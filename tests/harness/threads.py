"""Optimizers that tell, by failing, where they run."""

import os

import torch
from threadpoolctl import threadpool_info


class Counts(torch.optim.Optimizer):
    def __init__(self, params):
        super().__init__(params, {})

    def step(self, closure):
        closure()
        import scipy.linalg  # noqa: F401 - brings a BLAS of its own

        counts = sorted({lib["num_threads"] for lib in threadpool_info()} | {torch.get_num_threads()})
        raise ValueError(f"threads {counts}")


class TellsItsProcess(torch.optim.Optimizer):
    def __init__(self, params):
        super().__init__(params, {})

    def step(self, closure):
        raise ValueError(f"process {os.getpid()}")
