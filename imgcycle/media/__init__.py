"""Bytes to arrays and back: formats, paths, files; images, their codecs and metadata, animations, video."""
