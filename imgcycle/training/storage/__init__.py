"""The run folder: saved states, exported weights, and initial weights of a run."""
