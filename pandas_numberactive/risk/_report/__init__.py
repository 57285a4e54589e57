"""The report of a retro test: its evidence, its rule, and one self-contained page."""
