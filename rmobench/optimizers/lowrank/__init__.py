"""Methods for matrices of low rank, on their factors."""
