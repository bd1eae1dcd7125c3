"""A style taken out of imgcycle: an ONNX file, or a folder with one, a script and a page that run it without us."""
