"""Google's Gemini CLI, driven by its machine protocols."""
