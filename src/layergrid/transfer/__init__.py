"""Probes trained on one set of rows and scored on another, as a matrix of all pairs; it knows no YAML and no report.

domains    the sets of rows, which of their rows count, and what a probe may read there
grouping   rows that must not be parted, across all sets, and the folds of all of them
fitting    the probe of a source's training rows, everything chosen among them
judging    values, intervals and differences of held-out scores
words      what a report says of it
computing  all of it, one after the other
"""

VERSION = 1  # part of the store's key: raise it when the numbers change
