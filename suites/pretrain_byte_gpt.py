"""Pretrain the byte-level language model that the language tasks begin with, and write it as rmobench ships it.

    rmobench data fetch shakespeare && python -m suites.pretrain_byte_gpt

Thirty-four plays are trained on, three are held out for the curve. Every 50 steps the state goes to a file from which
the next call goes on; equal recipes, seeds, threads and machines give equal parameters, interrupted or not. asv imports
every module of this folder, so this one imports no torch.
"""

from __future__ import annotations

import hashlib
import json
import math
import subprocess
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from torch import Tensor, nn

    from rmobench.data import Corpus

PLACE = Path("rmobench/data/shipped/byte_gpt.safetensors")
STATE = Path("results/learned/byte_gpt_state.safetensors")
HELD_OUT = ("macbeth", "twelfth_night", "winters_tale")
N_STEPS = 1200
EVERY = 50
N_JUDGED = 64
"""Held-out sequences that a loss is the mean of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """What is trained, and how."""

    width: int = 192
    n_blocks: int = 4
    n_heads: int = 6
    context: int = 128
    batch_size: int = 8
    n_steps: int = N_STEPS
    n_warmup: int = 100
    lr: float = 1.5e-3
    lr_end: float = 1e-4
    beta2: float = 0.98
    weight_decay: float = 0.01
    clip: float = 1.0
    seed: int = 0
    threads: int = 1

    def lr_at(self, step: int) -> float:
        """Return the step length: a straight rise, then half a cosine down to the end."""
        if step < self.n_warmup:
            return self.lr * (step + 1) / self.n_warmup
        share = (step - self.n_warmup) / (self.n_steps - self.n_warmup)
        return self.lr_end + 0.5 * (self.lr - self.lr_end) * (1.0 + math.cos(math.pi * share))


class Training:
    """The model, AdamW's moments, and how far they are.

    Args:
        recipe: What is trained, and how.
        plays: The text, the plays that are held out among it.
    """

    def __init__(self, recipe: Recipe, plays: Corpus) -> None:
        import torch

        from rmobench.models import ByteGPT, started
        from rmobench.tasks.streams import stream

        def build() -> nn.Module:
            return ByteGPT(width=recipe.width, n_blocks=recipe.n_blocks, n_heads=recipe.n_heads, context=recipe.context)

        torch.set_num_threads(recipe.threads)
        kept = [text for name, text in plays.documents.items() if name not in HELD_OUT]
        self.recipe, self.provenance = recipe, plays.provenance
        self.text = torch.frombuffer(bytearray(b"\n\n".join(kept)), dtype=torch.uint8)
        held_out = b"\n\n".join(plays.documents[name] for name in HELD_OUT)
        self.held_out = self._windows(
            torch.frombuffer(bytearray(held_out), dtype=torch.uint8), N_JUDGED, stream(recipe.seed, "held_out")
        )
        self.model = started(build, stream(recipe.seed, "init"), device=torch.device("cpu"), dtype=torch.float32)
        self.adam = torch.optim.AdamW(
            self.model.parameters(), lr=recipe.lr, betas=(0.9, recipe.beta2), weight_decay=recipe.weight_decay
        )
        self.step, self.wall_s = 0, 0.0
        self.curve: list[tuple[int, float]] = []

    def advance(self) -> None:
        """Take one step; its batch depends on seed and number alone."""
        import torch

        from rmobench.tasks.streams import stream

        batch = self._windows(self.text, self.recipe.batch_size, stream(self.recipe.seed, f"batch/{self.step}"))
        for group in self.adam.param_groups:
            group["lr"] = self.recipe.lr_at(self.step)
        self.adam.zero_grad()
        self._loss(batch).backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.recipe.clip)
        self.adam.step()
        self.step += 1

    def judge(self) -> float:
        """Return the loss on the held-out plays, in nats per byte, and note it."""
        import torch

        with torch.no_grad():
            loss = self._loss(self.held_out).item()
        self.curve.append((self.step, loss))
        return loss

    def save(self, path: Path) -> None:
        """Write everything that the next call needs, or nothing."""
        from safetensors.torch import save_file

        moments = {
            f"{kind}/{name}": self.adam.state[p][kind]
            for name, p in self.model.named_parameters()
            for kind in ("exp_avg", "exp_avg_sq")
        }
        said = {"step": self.step, "wall_s": self.wall_s, "curve": self.curve, "recipe": asdict(self.recipe)}
        path.parent.mkdir(parents=True, exist_ok=True)
        half = path.with_suffix(".half")
        save_file(self.model.state_dict() | moments, half, metadata={"said": json.dumps(said)})
        half.replace(path)

    def resume(self, path: Path) -> bool:
        """Go on from a file if it is of the same recipe."""
        import torch
        from safetensors import safe_open

        if not path.is_file():
            return False
        with safe_open(path, "pt") as file:
            said = json.loads(file.metadata()["said"])
            if said["recipe"] != asdict(self.recipe):
                raise typer.BadParameter(f"{path} is of another recipe: remove it, or give another --state.")
            held = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  it is no mapping
        self.model.load_state_dict({name: held[name] for name in self.model.state_dict()})
        for name, p in self.model.named_parameters():
            moments = {kind: held[f"{kind}/{name}"] for kind in ("exp_avg", "exp_avg_sq")}
            self.adam.state[p] = {"step": torch.tensor(float(said["step"])), **moments}
        self.step, self.wall_s = said["step"], said["wall_s"]
        self.curve = [(step, loss) for step, loss in said["curve"]]
        return True

    def _windows(self, text: Tensor, n: int, generator: Any) -> Tensor:
        """Return stretches of the text [n, context + 1]."""
        import torch

        length = self.recipe.context + 1
        begins = torch.randint(len(text) - length, (n,), generator=generator)
        return text[begins[:, None] + torch.arange(length)].long()

    def _loss(self, batch: Tensor) -> Tensor:
        from torch.nn.functional import cross_entropy

        return cross_entropy(self.model(batch[:, :-1]).flatten(0, 1), batch[:, 1:].flatten())


def export(training: Training, place: Path) -> None:
    """Write the parameters in float16, and where they come from beside them."""
    import torch
    from safetensors.torch import save

    content = save({name: t.half() for name, t in training.model.state_dict().items()})
    place.write_bytes(content)
    head = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    said = {
        "sha256": hashlib.sha256(content).hexdigest(),
        "recipe": asdict(training.recipe),
        "text": {"held_out": HELD_OUT, **asdict(training.provenance)},
        "commit": head.stdout.strip() or None,
        "torch": str(torch.__version__),
        "wall_s": round(training.wall_s, 1),
        "held_out_nats_per_byte": training.curve[-1][1],
        "curve": training.curve,
    }
    place.with_suffix(".json").write_text(json.dumps(said, indent=1) + "\n", encoding="utf-8")


def main(
    n_steps: Annotated[int, typer.Option(help="Length of the training.")] = N_STEPS,
    threads: Annotated[int, typer.Option(help="Of torch.")] = 1,
    state: Annotated[Path, typer.Option(help="What an interrupted training goes on from.")] = STATE,
    place: Annotated[Path, typer.Option(help="Where the model goes.")] = PLACE,
) -> None:
    """Train to the end of the recipe and write the model."""
    from rmobench.data import corpus

    training = Training(Recipe(n_steps=n_steps, threads=threads), corpus("shakespeare"))
    if not training.resume(state):
        training.judge()
    began = perf_counter()
    while training.step < n_steps:
        training.advance()
        if training.step % EVERY == 0 or training.step == n_steps:
            loss = training.judge()
            training.wall_s += perf_counter() - began
            began = perf_counter()
            training.save(state)
            print(f"{training.step} of {n_steps}: {loss:.4f} nats per byte, {training.wall_s:.0f} s", flush=True)
    export(training, place)
    print(place)


if __name__ == "__main__":
    typer.run(main)
