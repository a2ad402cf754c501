"""The HTTP API: requests are decoded here, and answers encoded."""
