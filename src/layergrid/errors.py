"""The two ways in which a user's wish fails, each with its exit code; they know nothing of what went wrong."""


class BadInput(Exception):
    """Something the user gave is wrong: the message says where, what was expected and what to do. Exit code 2."""


class BuildError(Exception):
    """A build cannot go on for a reason found while it ran; same contract for the message. Exit code 3."""
