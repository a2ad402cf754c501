"""An agent that says what it was told."""
