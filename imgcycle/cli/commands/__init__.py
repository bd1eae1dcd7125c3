"""One thin module a command: options in, events shown."""
