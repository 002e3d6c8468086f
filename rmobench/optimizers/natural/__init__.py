"""Curvature as a preconditioner, and natural gradients on positive definite matrices."""
