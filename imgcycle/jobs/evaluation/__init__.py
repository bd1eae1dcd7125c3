"""Measuring results: distances between image sets, label pictures, flicker."""
