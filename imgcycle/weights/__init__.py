"""Where weights come from and how they are read: our files, the index, downloads, other programs."""
