"""Watching input folders: which files are complete, and rounds of conversion as they arrive."""
