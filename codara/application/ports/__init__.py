"""Ports: what the application needs of the outside world, in its own words.

Adapters and projections satisfy these Protocols without importing the code that uses them.
"""
