"""Sinks of finished frames: segments joined to a clip, numbered images, an animation; before beside after."""
