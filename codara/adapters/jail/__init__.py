"""The jail every agent runs in."""
