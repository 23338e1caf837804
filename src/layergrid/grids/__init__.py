"""Grid kinds: one file per kind."""
