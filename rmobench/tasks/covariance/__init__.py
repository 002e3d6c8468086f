"""Symmetric positive definite matrices: likelihoods, means, mixtures, clusters, each with a certified minimum."""
