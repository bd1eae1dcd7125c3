"""Training methods, one a file: nets, losses beside their formulas, settings."""
