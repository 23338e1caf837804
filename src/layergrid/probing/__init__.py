"""The steps of a probe grid between the kind, which holds parameters, and probes, selection and stats, which compute.

asked        what the kind is asked by the steps
rows         which rows are compared, and how they are split
fitting      the plan of all cells, and their fits
judging      values, nested best, permutation test
predictors   baselines, and what the probe adds to them
control      the control task
assembling   the result
words        what a report says of it
names        what a spec calls its baselines
"""
