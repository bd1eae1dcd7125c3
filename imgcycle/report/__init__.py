"""Contact sheets and HTML galleries."""
