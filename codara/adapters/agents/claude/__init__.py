"""Anthropic's Claude Code: its CLI in two transports."""
