"""EXIF, XMP, IPTC and comments: read separately, kept as far as they remain true, stripped of locations."""
