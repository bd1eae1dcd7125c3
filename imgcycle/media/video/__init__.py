"""Clips through ffmpeg: decoding, encoding, muxing, image sequences."""
