"""What visitors are told where a task cannot be sent now: 503, and when to come back."""

from collections.abc import Callable

import structlog
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from kombu.exceptions import OperationalError

from workers.brokers.refusals import RETRY_AFTER

logger = structlog.get_logger(__name__)


class BackPressureMiddleware:
    """Answers a view's QueueFullError, BrokerBlockedError, or broker that is away; they are all OperationalError."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer the request."""
        return self._get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        """A 503 for what passes by itself; the reason is for the log, not for visitors."""
        if not isinstance(error, OperationalError):
            return None
        seconds: int = getattr(error, "retry_after", RETRY_AFTER)
        logger.warning("not_accepted", reason=str(error), retry_after=seconds)
        if "text/html" in request.headers.get("Accept", ""):
            response = render(request, "503.html", {"seconds": seconds}, status=503)
        else:
            what = f"too much waits to be done; try again in {seconds} s"
            response = JsonResponse({"errors": [{"where": "service", "what": what}]}, status=503)
        response["Retry-After"] = str(seconds)
        response._has_been_logged = True  # type: ignore[attr-defined]  # noqa: SLF001 - Django's line would be an error
        return response
