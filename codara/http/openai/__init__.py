"""The API for OpenAI-compatible clients."""
