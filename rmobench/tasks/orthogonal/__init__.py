"""Orthonormal matrices: components, classification, and networks with orthogonal kernels."""
