"""Whole columns in, typed columns out; the only layer that knows pandas."""
