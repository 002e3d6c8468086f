"""What to run: one TOML per named suite, and the modules in which asv discovers benchmarks."""
