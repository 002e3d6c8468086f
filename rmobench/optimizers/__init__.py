"""build(problem, **hyper) -> Optimizer: one file per optimizer, under its own name."""
