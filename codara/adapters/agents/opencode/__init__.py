"""OpenCode: `opencode serve` with its event stream, or one `opencode run` per turn."""
