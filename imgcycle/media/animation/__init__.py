"""Animated GIF, APNG, WebP and AVIF, one frame at a time."""
