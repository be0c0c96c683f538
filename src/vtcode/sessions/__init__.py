"""Sessions: conversations that are kept, gone on with, copied and taken back."""

from vtcode.output import UsageError


class SessionError(UsageError):
    """A session cannot be used as was asked; the text says why and what to do.

    SessionError
    └── SessionBusy   another process has it open
    """


class SessionBusy(SessionError):
    pass
