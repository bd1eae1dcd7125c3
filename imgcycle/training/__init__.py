"""Training loop with session, schedule, EMA, validation, diagnosis and events."""
