"""Pretrained language models, adapted by low-rank layers to other text."""
