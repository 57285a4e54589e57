"""Populations, covariances and tests that every risk function stands on."""
