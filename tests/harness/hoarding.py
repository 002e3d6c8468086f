"""An optimizer that leaks: 256 MiB more at every step."""

import torch


class Hoards(torch.optim.Optimizer):
    def __init__(self, params):
        super().__init__(params, {})
        self.hoard = []

    def step(self, closure):
        self.hoard.append(torch.zeros(1 << 25, dtype=torch.float64))
        return closure()
