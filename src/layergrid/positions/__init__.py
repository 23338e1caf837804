"""Position kinds: one file per kind."""
