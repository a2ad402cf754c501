"""How programs of ours speak to a gateway."""
