"""Gradient descent that computes in float64 without saying so."""

import torch


class HiddenDouble(torch.optim.Optimizer):
    def __init__(self, params, lr=1e-4):
        super().__init__(params, {"lr": lr})

    def step(self, closure):
        loss = closure()
        for group in self.param_groups:
            for p in group["params"]:
                p.data = (p.data.double() - group["lr"] * p.grad.double()).to(p.dtype)
        return loss
