"""What goes wrong: with models on disk (`ModelError`), and with a request (`ApiError`)."""

from collections.abc import Mapping, Sequence

from lmwire.errors import ErrorCode, ErrorObject


class ModelError(Exception):
    """Something about models on disk that a person has to know; the text is the whole sentence."""


class BadModelFile(ModelError):
    """A file that is not a usable model. The text is the reason."""


class StorageError(ModelError):
    """The disk or its permissions do not let a model be stored."""


class DownloadError(ModelError):
    """A model could not be had from where it is."""


class UnknownModel(ModelError):
    """A name that means no model, or several."""

    def __init__(self, name: str, near: Sequence[str], known: Sequence[str]) -> None:
        super().__init__(f"there is no model {name!r}")
        self.name = name
        self.near = tuple(near)
        """Ids that look like the name, or that it could mean."""
        self.known = tuple(known)
        """All ids."""


class ApiError(Exception):
    """A request that is answered with an error."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: ErrorCode,
        param: str | None = None,
        kind: str = "invalid_request_error",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Make an error.

        Args:
            status: HTTP status.
            message: what happened, what was expected and what to do, for a person.
            code: the cause, for programs.
            param: the request member at fault.
            kind: OpenAI's error type.
            headers: what the answer carries beside its body, such as Retry-After.
        """
        super().__init__(message)
        self.status = status
        self.headers = headers or {}
        self.body = ErrorObject(message, kind, param, code)


def invalid(param: str, why: str) -> ApiError:
    """Make the 400 for a member of a request that cannot be meant."""
    return ApiError(400, f"{param}: {why}.", code=ErrorCode.INVALID_VALUE, param=param)


def unsupported(param: str, why: str) -> ApiError:
    """Make the 400 for a member of a request that would have no effect here."""
    return ApiError(400, f"{param}: {why}.", code=ErrorCode.UNSUPPORTED_PARAMETER, param=param)


def cannot(what: str) -> ApiError:
    """Say that the model in the request is of a kind that cannot do this ("embed", "chat")."""
    return ApiError(
        400,
        f"This model cannot {what}. `GET /v1/models` tells which model is for what.",
        code=ErrorCode.UNSUPPORTED_MODEL,
        param="model",
    )
