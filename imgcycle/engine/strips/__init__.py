"""Exact strip-wise inference: a net is cut into passes at its norms, planned, and run a few rows at a time."""
