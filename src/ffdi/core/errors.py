"""The exceptions of the kit. Each message is one sentence: what went wrong, where, and what to do."""


class FfdiError(Exception):
    """The kit refuses or cannot do something. The command line returns `exit_code`."""

    exit_code = 1


class UserError(FfdiError):
    """A mistake in what was given (file, row, key). The message names the place and the remedy."""

    exit_code = 2


class CorruptError(UserError):
    """An artefact whose bytes are not those that were written."""


class SpaceError(UserError):
    """The disk is full: the message says how much was needed and how much is free."""


class LockedError(UserError):
    """Another living process works on the same run folder."""


class Paused(FfdiError):
    """Stopped by a deadline or a signal with everything saved; running again goes on (exit 75, EX_TEMPFAIL)."""

    exit_code = 75
