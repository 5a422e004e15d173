"""Random inputs, one law a file."""
