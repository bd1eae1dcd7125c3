"""A picture as arrays: reading, colour, writing, row by row where it is too large for memory."""
