"""Whole columns in, typed columns out. The only layer that knows pandas."""
