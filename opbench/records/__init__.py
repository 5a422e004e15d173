"""What a run leaves behind, as JSON: `record` of a model, `ladder` of our own solver, `badge` of who verified; `shelf` reads them all."""
