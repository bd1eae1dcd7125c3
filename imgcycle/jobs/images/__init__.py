"""Image conversion: planning, reading, translating, writing, and report pages."""
