"""The exact strips: a net cut into passes at its norms, planned, and walked a few rows at a time."""
