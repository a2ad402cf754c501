"""A scripted model server and the demonstration that stands on it."""
