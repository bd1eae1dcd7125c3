"""EXIF, XMP, IPTC and comments: read part by part, kept as far as still true, stripped of places."""
