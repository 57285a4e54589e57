"""What touches disk and network; knows nothing of pandas."""
