"""Checkpoints made by real PyTorch, and what PyTorch itself says of each: the material of the interop tests."""
