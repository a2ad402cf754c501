"""The session: one agent at work, what it hears and says, and how it ends."""
