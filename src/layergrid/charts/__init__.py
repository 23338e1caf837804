"""Chart kinds: one file per kind."""
