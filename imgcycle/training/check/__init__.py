"""Check of two image folders before training: statistics, outliers, duplicates, and advice."""
