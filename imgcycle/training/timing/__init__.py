"""When what happens in a run: learning rates, stages, its length, and what is shown by the clock."""
