"""Code for single file formats, beside Pillow and OpenCV."""
