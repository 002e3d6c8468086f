"""First- and second-order methods in Euclidean space; scipy solvers included."""
