"""Statistics on plain arrays, free of pandas."""
