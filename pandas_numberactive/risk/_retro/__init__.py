"""The retro test, its pilot and its sample size."""
