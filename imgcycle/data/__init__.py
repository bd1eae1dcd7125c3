"""Folders of training images, sampling, batches."""
