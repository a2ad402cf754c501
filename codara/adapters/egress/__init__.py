"""Egress: the way out of a jail, with keys put on and secrets masked."""
