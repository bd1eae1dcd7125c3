"""Optical flow, global shift, scene cuts."""
