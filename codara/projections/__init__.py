"""Read models: what is known, folded from the log."""
