"""What an answer costs: `measure` times a trained model, `climb` our own solver at every accuracy."""
