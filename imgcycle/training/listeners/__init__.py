"""What hears the events of a run and writes them down: its page, TensorBoard's files."""
