"""Bytes to arrays and back: formats, paths, files; pictures, their codecs and metadata, animations, video."""
