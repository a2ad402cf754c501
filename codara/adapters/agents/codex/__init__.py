"""OpenAI Codex: its CLI in two transports."""
