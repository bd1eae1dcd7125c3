"""Listeners that record the events of a run: its page, TensorBoard's files."""
