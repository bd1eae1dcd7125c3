"""ONNX files: a generator written as one, and what one says of itself when it is read."""
