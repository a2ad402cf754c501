"""The home: the folder in which an agent keeps its conversations, and its program."""
