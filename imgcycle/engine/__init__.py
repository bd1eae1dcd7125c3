"""Streaming inference: a net over a picture of any size, and what comes before and after it. No file formats."""
