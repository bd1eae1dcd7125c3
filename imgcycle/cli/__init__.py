"""The command line: one thin file a command, its options, and what it shows."""
