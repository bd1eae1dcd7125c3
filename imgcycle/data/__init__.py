"""Folders of training pictures, sampling, batches."""
