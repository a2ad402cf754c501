"""Codara: a stateful, event-sourced gateway in front of CLI coding agents."""
