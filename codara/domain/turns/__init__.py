"""The decisions of a turn, each over several streams: requested, started, taken over, ended."""
