"""From a recipe to files and tasks: `recipe` says what is drawn and solved, `generation` does it, `store` writes it, `task` reads it."""
