"""The JSON API. Every answer is JSON; one that refuses says what is wrong and where."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from secrets import compare_digest
from typing import Concatenate, ParamSpec, TypeVar
from uuid import UUID, uuid4

from django.db import transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt

from shop import orders, reports, uploads
from shop.env import environment
from shop.models import DeliverySlip, ImportJob, Newsletter, Order, Report
from shop.tasks.default import newsletter
from shop.views import inputs, states
from shop.views.inputs import RefusedError

Arguments = ParamSpec("Arguments")
Kind = TypeVar("Kind", Order, ImportJob, DeliverySlip, Newsletter, Report)
View = Callable[Concatenate[HttpRequest, Arguments], HttpResponse]


def endpoint(method: str) -> Callable[[View[Arguments]], View[Arguments]]:
    """Make a view an endpoint: one method, a token instead of cookies, refusals as JSON."""

    def decorate(view: View[Arguments]) -> View[Arguments]:
        @csrf_exempt
        @wraps(view)
        def answer(request: HttpRequest, /, *args: Arguments.args, **kwargs: Arguments.kwargs) -> HttpResponse:
            try:
                _check(request, method)
                return view(request, *args, **kwargs)
            except RefusedError as error:
                problems = [{"where": where, "what": what} for where, what in error.problems.items()]
                return JsonResponse({"errors": problems}, status=error.status)

        return answer

    return decorate


def _check(request: HttpRequest, method: str) -> None:
    if request.method != method:
        raise RefusedError({"method": f"{request.method} is not {method}"}, 405)
    expected = f"Bearer {environment().shop_api_token.get_secret_value()}"
    # Constant time: == stops at the first wrong character, which tells a patient stranger the token.
    if not compare_digest(request.headers.get("Authorization", "").encode(), expected.encode()):
        raise RefusedError({"header Authorization": "it is not `Bearer` and SHOP_API_TOKEN"}, 401)


def _found(kind: type[Kind], number: int | UUID) -> Kind:
    try:
        return kind.objects.get(pk=str(number))
    except kind.DoesNotExist as error:
        raise RefusedError({"address": f"there is no {kind.__name__} {number}"}, 404) from error


@endpoint("POST")
def place_order(request: HttpRequest) -> JsonResponse:
    """Place an order; once an Idempotency-Key."""
    wanted = inputs.body(request, inputs.OrderInput).wanted()
    key = inputs.idempotency_key(request) or uuid4().hex
    try:
        order, new = orders.place(wanted, key)
    except orders.UnknownProductError as error:
        number = list(wanted.quantities).index(error.sku)
        raise RefusedError({f"lines[{number}].sku": str(error)}) from error
    except orders.KeyReusedError as error:
        raise RefusedError({"header Idempotency-Key": str(error)}, 409) from error
    return JsonResponse(states.order_state(order), status=201 if new else 200)


@endpoint("GET")
def order(_request: HttpRequest, number: UUID) -> JsonResponse:
    """Tell how far an order has come."""
    return JsonResponse(states.order_state(_found(Order, number)))


@endpoint("POST")
def start_import(request: HttpRequest) -> JsonResponse:
    """Take a catalogue as CSV."""
    with _refused_uploads():
        job = uploads.accept_catalogue(inputs.uploaded(request))
    return JsonResponse(states.import_state(job), status=202)


@endpoint("GET")
def import_job(_request: HttpRequest, number: int) -> JsonResponse:
    """Tell how far an import has come."""
    return JsonResponse(states.import_state(_found(ImportJob, number)))


@endpoint("POST")
def add_slip(request: HttpRequest) -> JsonResponse:
    """Take the picture of a delivery slip as PNG, and the number it should show if that is known."""
    with _refused_uploads():
        slip = uploads.accept_slip(inputs.uploaded(request), request.POST.get("expected", ""))
    return JsonResponse(states.slip_state(slip), status=202)


@endpoint("GET")
def slip(_request: HttpRequest, number: int) -> JsonResponse:
    """Tell what was read on a slip."""
    return JsonResponse(states.slip_state(_found(DeliverySlip, number)))


@endpoint("POST")
def start_newsletter(request: HttpRequest) -> JsonResponse:
    """Send a newsletter to all subscribers."""
    given = inputs.body(request, inputs.NewsletterInput)
    with transaction.atomic():
        letter = Newsletter.objects.create(subject=given.subject, body=given.body)
        newsletter.delay(newsletter_id=letter.pk)
    return JsonResponse(states.newsletter_state(letter), status=202)


@endpoint("GET")
def newsletter_sent(_request: HttpRequest, number: int) -> JsonResponse:
    """Tell how far a newsletter has come."""
    return JsonResponse(states.newsletter_state(_found(Newsletter, number)))


@endpoint("POST")
def start_report(request: HttpRequest) -> JsonResponse:
    """Build the report of a day; of today, unless told."""
    report = reports.ask_for(inputs.body(request, inputs.ReportInput).day)
    return JsonResponse(states.report_state(report), status=202)


@endpoint("GET")
def report(_request: HttpRequest, number: int) -> JsonResponse:
    """Tell how far a report has come."""
    return JsonResponse(states.report_state(_found(Report, number)))


@contextmanager
def _refused_uploads() -> Iterator[None]:
    try:
        yield
    except uploads.UploadError as error:
        raise RefusedError({error.field: str(error)}) from error
