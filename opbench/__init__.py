"""opbench: a benchmark suite for neural operators."""

__version__ = "0.1.0"
