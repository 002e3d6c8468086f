"""Matrices of low rank that fit data, with the best one known."""
