"""Weights: our own files, the index, downloads, other programs' checkpoints."""
