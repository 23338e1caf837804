"""layergrid: declarative reports about what each layer of a language model knows at each token."""

__version__ = "0.1.0"
