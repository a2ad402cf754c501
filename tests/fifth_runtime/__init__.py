"""A gateway that has a fifth runtime: a package beside the others, and a line in the registry."""
