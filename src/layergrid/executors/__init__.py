"""Executor kinds: one file per kind."""
