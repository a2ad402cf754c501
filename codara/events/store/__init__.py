"""The store: the append-only log on SQLite, sealed, written in groups."""
