"""What single file formats need beside Pillow and OpenCV."""
