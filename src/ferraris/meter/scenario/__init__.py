"""Scenarios: who lives through what and when, as data; the same seed gives the same result."""
