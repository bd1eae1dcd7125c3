"""The version of imgcycle, below everything that states it."""

__version__ = "0.1.0"
