"""One file per claim, named like it, with a module-level CLAIM."""
