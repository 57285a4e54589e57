"""Ratios against named baselines, in one run, with changed data each round: `python -m tests.bench [--quick] [names]`."""
