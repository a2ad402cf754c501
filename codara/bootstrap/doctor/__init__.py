"""What `codara doctor` looks at, and what it finds."""
