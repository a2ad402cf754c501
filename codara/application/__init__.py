"""What we do: commands that load, decide and append."""
