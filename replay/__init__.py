"""Reading the log again: replay, time travel and verification."""
