"""The run folder: states that can be gone on from, exported weights, what a run starts from."""
