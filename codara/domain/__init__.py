"""What may happen: pure decisions over folded state."""
