"""The OpenAI error body, and the codes that we promise."""

from enum import StrEnum

import msgspec


class ErrorCode(StrEnum):
    """Machine-readable causes; a client may branch on these and on nothing else."""

    INVALID_JSON = "invalid_json"
    INVALID_VALUE = "invalid_value"
    UNSUPPORTED_PARAMETER = "unsupported_parameter"
    UNSUPPORTED_SCHEMA = "unsupported_schema"
    CONTEXT_LENGTH_EXCEEDED = "context_length_exceeded"
    MODEL_NOT_FOUND = "model_not_found"
    MODEL_LOAD_FAILED = "model_load_failed"
    MODEL_IN_USE = "model_in_use"
    MODEL_UNLOADED = "model_unloaded"
    UNSUPPORTED_MODEL = "unsupported_model"
    RESPONSE_NOT_FOUND = "response_not_found"
    PREVIOUS_RESPONSE_NOT_FOUND = "previous_response_not_found"
    QUEUE_FULL = "queue_full"
    TIMEOUT = "timeout"
    INVALID_API_KEY = "invalid_api_key"
    FORBIDDEN_HOST = "forbidden_host"
    FORBIDDEN_ORIGIN = "forbidden_origin"
    NOT_FOUND = "not_found"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    BODY_TOO_LARGE = "body_too_large"
    ENGINE_FAILED = "engine_failed"
    OUTPUT_INVALID = "output_invalid"
    INTERNAL = "internal_error"


class ErrorObject(msgspec.Struct, frozen=True):
    """What went wrong, as OpenAI shapes it: all four members are always present."""

    message: str
    type: str = "invalid_request_error"
    param: str | None = None
    code: str | None = None


class ErrorBody(msgspec.Struct, frozen=True):
    """The whole body of an answer that is not a success."""

    error: ErrorObject
