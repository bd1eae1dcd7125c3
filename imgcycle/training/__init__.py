"""The training loop and what it drives: session, schedule, EMA, validation, diagnosis, events."""
