"""Distances between image sets, content kept, segmentation scores, flicker."""
