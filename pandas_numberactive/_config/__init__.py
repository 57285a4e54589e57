"""Settings: each value, its check, and the place it comes from."""
