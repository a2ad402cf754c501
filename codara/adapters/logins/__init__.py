"""Logins of the CLIs: how each is refreshed at its vendor."""
