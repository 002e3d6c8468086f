"""build(seed, device, dtype, **args) -> Problem: one file per task, under its own name."""
