"""One long clip for several workers: where it may be parted, its ranges as tasks, and what has to be over before it."""
