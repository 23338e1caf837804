"""Grader kinds: one file per kind."""
