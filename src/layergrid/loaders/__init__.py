"""Data set kinds: one file per kind."""
