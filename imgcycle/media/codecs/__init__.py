"""How the files of each format are read: one class a format, of `encoded.EncodedImage`, and what these are made of."""
