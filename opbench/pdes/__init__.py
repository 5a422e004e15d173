"""One equation, one file."""
