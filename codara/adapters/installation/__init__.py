"""The installation: one log, one vault and their folders, and whether they belong together."""
