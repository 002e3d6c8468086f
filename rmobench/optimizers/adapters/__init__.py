"""What users bring: torch.optim-style classes as they are."""
