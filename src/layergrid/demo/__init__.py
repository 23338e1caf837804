"""The model and the questions that ship: a small causal language model that does sums, and the sums."""
