"""The door for OpenAI-compatible clients."""
