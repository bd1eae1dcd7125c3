"""Clips, image sequences and animations: frame sources, the frame pipeline, sinks, resumable segments."""
