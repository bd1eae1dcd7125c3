"""Video: clips, image sequences and animations; frame sources, frame pipeline, sinks, resumable segments."""
