"""Optimizers that a user might bring: plain gradient descent for four steps, then a misdeed."""

import os
import signal
import time

import torch


class Misbehaving(torch.optim.Optimizer):
    def __init__(self, params, lr=1e-4):
        super().__init__(params, {"lr": lr})
        self.n_steps = 0

    def step(self, closure):
        loss = closure()
        self.n_steps += 1
        for group in self.param_groups:
            for p in group["params"]:
                p.data -= group["lr"] * p.grad
                if self.n_steps > 4:
                    self.misbehave(p)
        return loss


class Raises(Misbehaving):
    def misbehave(self, p):
        raise ZeroDivisionError("as badly behaved code does")


class ReturnsNaN(Misbehaving):
    def misbehave(self, p):
        p.data.fill_(float("nan"))


class Hangs(Misbehaving):
    def misbehave(self, p):
        while True:
            time.sleep(0.05)


class ChangesShape(Misbehaving):
    def misbehave(self, p):
        p.data = p.data[:1]


class KillsItself(Misbehaving):
    def misbehave(self, p):
        os.kill(os.getpid(), signal.SIGKILL)


class RunsOutOfMemory(Misbehaving):
    def misbehave(self, p):
        self.hoard = torch.zeros(1 << 44, dtype=torch.float64)


class Slow(Misbehaving):
    """Not a hang: it keeps asking, but takes its time."""

    def misbehave(self, p):
        time.sleep(0.2)


class Overflows(Misbehaving):
    def misbehave(self, p):
        p.data *= 100.0


class Exits(Misbehaving):
    def misbehave(self, p):
        raise SystemExit(3)


class Interrupts(Misbehaving):
    def misbehave(self, p):
        raise KeyboardInterrupt


class LeavesAMess(Misbehaving):
    """Changes what is global in its process, and prints."""

    def misbehave(self, p):
        print("a mess")
        torch.set_default_device("meta")
        torch.set_default_dtype(torch.float16)
        torch.set_grad_enabled(False)
        torch.set_num_threads(2)


class Quiet(torch.optim.Optimizer):
    """Never asks anything, and moves all the same."""

    def __init__(self, params):
        super().__init__(params, {})

    def step(self, closure=None):
        for p in self.param_groups[0]["params"]:
            p.data += 0.1 * (1.0 - p.data)
