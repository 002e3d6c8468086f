"""Methods whose iterates stay on a manifold, and peers by adapter."""
