"""Orthonormal matrices: principal components of real data."""
