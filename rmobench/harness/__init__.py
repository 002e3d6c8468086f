"""Trial -> Record: clock, oracle, memory, precision, environment, plan, sweep. Importing it does not import torch."""
