"""Foreign files as tasks."""
