"""One run from its arguments to its record: `planning` makes it ready, `scoring` scores what is trained, `evaluate` is the whole."""
