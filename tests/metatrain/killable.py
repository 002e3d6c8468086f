"""Meta-train in a process of its own: python killable.py RECIPE CHECKPOINT; prints every outer step when it is done."""

import sys
from pathlib import Path

import torch

from rmobench.metatrain.recipe import read_recipe
from rmobench.metatrain.train import train

if __name__ == "__main__":
    torch.set_num_threads(1)
    for progress, _ in train(read_recipe(sys.argv[1]), Path(sys.argv[2]), checkpoint_s=0.0):
        print(progress.outer, flush=True)
