"""`GET /metrics`: what the server has done, counted in the Prometheus format."""

import time
from http import HTTPMethod
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from starlette.requests import Request
from starlette.responses import Response

from lmserver.routes import Endpoint

if TYPE_CHECKING:
    from lmserver.journal import Record
    from lmserver.service import Service

_SECONDS = (0.005, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 60, 120, 300)


class Metrics:
    """The numbers of one server. Labels are routes, statuses and ids of models there are: never a client's words."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        # The server's own memory, descriptors and processor time.
        ProcessCollector(registry=self._registry)
        self._requests = Counter(
            "lmstudio_requests",
            "Requests that have ended; 499 is a client that left.",
            ("route", "method", "status"),
            registry=self._registry,
        )
        self._running = Gauge("lmstudio_requests_running", "Requests under way.", registry=self._registry)
        self._seconds = Histogram(
            "lmstudio_request_seconds",
            "Duration of requests.",
            ("route",),
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._first_token = Histogram(
            "lmstudio_time_to_first_token_seconds",
            "Time from a request to the first token of its reply.",
            ("model",),
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._tokens = Counter(
            "lmstudio_tokens",
            "Tokens: of prompts, of these the ones found in the cache, and of replies.",
            ("model", "kind"),
            registry=self._registry,
        )
        self._waiting = Gauge("lmstudio_requests_waiting", "Requests that wait for a model.", registry=self._registry)
        self._loaded = Gauge("lmstudio_models_loaded", "Models in memory.", registry=self._registry)
        self._started = Gauge("lmstudio_start_time_seconds", "When the server started.", registry=self._registry)
        self._started.set(time.time())

    def begun(self) -> None:
        """Count a request that begins."""
        self._running.inc()

    def ended(self, record: "Record") -> None:
        """Count a request that has ended."""
        self._running.dec()
        method = record.method if record.method in HTTPMethod.__members__ else "other"
        self._requests.labels(record.route, method, str(record.status)).inc()
        self._seconds.labels(record.route).observe(record.seconds)
        if not record.model:
            return
        if record.time_to_first_token is not None:
            self._first_token.labels(record.model).observe(record.time_to_first_token)
        for kind, count in (
            ("prompt", record.prompt_tokens),
            ("cached", record.cached_tokens),
            ("completion", record.completion_tokens),
        ):
            self._tokens.labels(record.model, kind).inc(count)

    def write(self, *, loaded: int, waiting: int) -> bytes:
        """Write all numbers; with how many models are in memory now, and how many requests wait for one."""
        self._loaded.set(loaded)
        self._waiting.set(waiting)
        return generate_latest(self._registry)


async def show_metrics(request: Request) -> Response:
    """Show the numbers."""
    metrics: Metrics = request.app.state.metrics
    service: Service = request.app.state.service
    numbers = metrics.write(loaded=service.pool.loaded, waiting=service.pool.waiting)
    return Response(numbers, media_type=CONTENT_TYPE_PLAIN_0_0_4)


ENDPOINTS = (Endpoint("GET", "/metrics", "numbers for Prometheus", show_metrics, is_listed=False),)
