"""Probing of clips, from ffmpeg's report and packets."""
