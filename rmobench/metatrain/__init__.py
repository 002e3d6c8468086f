"""Train the rules of learned optimizers: unroll them over sampled tasks, write their weights with provenance."""
