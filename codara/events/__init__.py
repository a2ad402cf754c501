"""What happened: facts, their stored names, and the log that keeps them."""
