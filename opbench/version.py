"""The version of opbench, stated once."""

__version__ = "0.1.0"
