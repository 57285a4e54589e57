"""Tests of pandas_numberactive.risk."""
