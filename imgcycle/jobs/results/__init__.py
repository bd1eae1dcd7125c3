"""Results that are there already, and the way of files from and to object stores."""
