"""From what a server answered, or did not, to the error that tells the user what to do."""

from urllib.parse import urljoin

import httpx2
import msgspec

from lmwire.errors import ErrorCode
from vtcode.models import not_found
from vtcode.providers import (
    ContextOverflow,
    Endpoint,
    Interrupted,
    MalformedReply,
    ModelLoadFailed,
    ModelNotFound,
    NoEndpoint,
    ProviderError,
    RateLimited,
    Refused,
    Rejected,
    Stalled,
    Unauthorised,
    Unreachable,
)
from vtcode.providers.assembly import ErrorObject
from vtcode.providers.decoding import decode
from vtcode.providers.retry import told_seconds
from vtcode.text import visible

MAX_ERROR = 600
"""Characters of a server's error message that are shown."""


class _ErrorBody(msgspec.Struct):
    error: ErrorObject | str = ""
    message: str = ""
    detail: object = None
    code: str | int | None = None


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """An answer that is no success."""

    status: int
    error: ErrorObject
    url: str = ""
    location: str = ""
    """Where it redirects to."""
    retry_after: str = ""


def error_of(content: bytes) -> ErrorObject:
    """Read an error body of any of the shapes in use: OpenAI's, a string for it, vLLM's flat one, FastAPI's."""
    try:
        body = decode(content, _ErrorBody)
    except msgspec.MsgspecError:
        return ErrorObject()
    error = body.error
    if isinstance(error, ErrorObject):
        return error
    return ErrorObject(error or body.message or (str(body.detail) if body.detail else ""), body.code)


def short(message: str) -> str:
    """Make a server's message one sentence that is safe to show."""
    text = visible(message, one_line=True).strip()
    text = text if len(text) <= MAX_ERROR else f"{text[:MAX_ERROR]}…"
    return text if not text or text[-1] in ".!?…)" else f"{text}."


class Failures:
    """Speaks of one server, in the words of its preset."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._preset = endpoint.preset
        self.where = f"{endpoint.preset.label} at {endpoint.base_url}"

    # Before an answer ------------------------------------------------------------------------------------

    def unreachable(self, error: Exception) -> Unreachable:
        said = str(error)
        refused = "refused" in said.lower() or not said
        refused = refused or (isinstance(error, httpx2.ConnectError) and "attempts failed" in said.lower())
        cause, kind = ("connection refused", Refused) if refused else (said, Unreachable)
        if isinstance(error, (TimeoutError, httpx2.TimeoutException)):
            cause, kind = "no answer in time", Unreachable
        return kind(
            f"Could not reach {self._preset.label} at {self._endpoint.base_url} ({short(cause).rstrip('.')}). "
            f"{self._preset.start} If it runs elsewhere, set {self._preset.address_setting}."
        )

    def interrupted(self) -> Interrupted:
        return Interrupted(f"{self.where} broke off before the reply was finished. Try again; its log may say why.")

    def stalled(self, seconds: float) -> Stalled:
        return Stalled(
            f"{self.where} sent nothing for {seconds:.0f} seconds. A smaller model or a shorter conversation answers "
            "sooner; `stall_timeout_secs` in [agent] waits longer."
        )

    # Answers that are not the API ------------------------------------------------------------------------

    def not_events(self, kind: str) -> MalformedReply:
        return MalformedReply(
            f"{self.where} answered with {visible(kind, one_line=True) or 'no content type'} where a stream of "
            f"events was expected. {self._check_address}"
        )

    def not_an_event(self, dialect: str, error: Exception) -> MalformedReply:
        return MalformedReply(
            f"{self.where} sent an event that is not a {dialect} chunk ({error}). Check that "
            f"{self._preset.address_setting} names an OpenAI-compatible server; its log may say more."
        )

    def not_a_list(self) -> MalformedReply:
        return MalformedReply(
            f"{self._endpoint.base_url}/models did not answer with a list of models. {self._check_address}"
        )

    @property
    def _check_address(self) -> str:
        return (
            f"Check that {self._preset.address_setting} names an OpenAI-compatible server and its path, usually /v1."
        )

    # Answers that say no ---------------------------------------------------------------------------------

    def of(self, answer: Answer, model: str = "", known: list[str] | None = None) -> ProviderError:
        """Find the error for an answer.

        Args:
            model: the one that was asked for.
            known: the models that the server lists, where that was asked.
        """
        status, error, where = answer.status, answer.error, self.where
        said = short(error.message) or "it gave no reason."
        if error.code in {ErrorCode.FORBIDDEN_HOST, ErrorCode.FORBIDDEN_ORIGIN}:
            setting = self._preset.address_setting
            return Rejected(f"{where} does not answer to that name: {said} Set {setting} to another.")
        if status in {401, 403}:
            lack = "refused the API key" if self._endpoint.key else "wants an API key"
            return Unauthorised(f"{where} {lack} ({status}). Put the server's key into {self._preset.key_setting}.")
        if error.code == ErrorCode.CONTEXT_LENGTH_EXCEEDED or _tells_overflow(error.message):
            return ContextOverflow(
                f"The conversation is longer than the context that is loaded: {said} Start a new one, or load "
                "the model with a larger context."
            )
        if error.code == ErrorCode.MODEL_LOAD_FAILED:
            return ModelLoadFailed(f"{where} could not load {visible(model, one_line=True)}: {said}")
        if error.code == ErrorCode.MODEL_NOT_FOUND or (status == 404 and known is not None and model not in known):
            # A server that still lists the model has a reason of its own.
            listed = known is not None and model in known
            return ModelNotFound(f"{where}: {said}" if listed else not_found(where, model, known or []))
        if status in {404, 405}:
            return NoEndpoint(f"{where} has no such endpoint ({status}: {said}). {self._check_address}")
        if 300 <= status < 400:
            return Rejected(
                f"{where} redirects {_target(answer)}, and a key is not taken along. Set "
                f"{self._preset.address_setting} to where it leads, if you trust it."
            )
        if status == 429:
            return RateLimited(f"{where} has too much to do (429: {said}). Try again {_when(answer)}.")
        if status == 413:
            return ContextOverflow(f"{where} takes no request as long as this one (413): {said} Start a new one.")
        if 400 <= status < 500 and status != 408:
            return Rejected(
                f"{where} refused the request ({status}): {said} Check the server's log for whether the model's "
                "runtime supports these tools and structured outputs."
            )
        return Interrupted(f"{where} failed ({status}): {said} Its log says more; try again.")


def _target(answer: Answer) -> str:
    if not answer.location:
        return "elsewhere"
    return f"to {visible(urljoin(answer.url, answer.location), one_line=True)[:200]}"


def _when(answer: Answer) -> str:
    told = told_seconds(answer.retry_after)
    return "in a moment" if told is None else f"in {told:.0f} seconds"


def _tells_overflow(message: str) -> bool:
    said = message.lower()
    return "context" in said and any(word in said for word in ("exceed", "greater than the", "too long", "overflow"))
