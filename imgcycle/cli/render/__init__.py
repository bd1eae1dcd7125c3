"""Events as rich bars, plain lines or JSON lines."""
