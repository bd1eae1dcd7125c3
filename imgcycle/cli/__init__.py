"""Command line: one thin file a command, its options, and its output."""
