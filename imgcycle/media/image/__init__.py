"""Images as arrays: reading, colour, writing, and row by row where they are too large for memory."""
