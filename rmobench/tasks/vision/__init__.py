"""Ordinary networks on small images."""
