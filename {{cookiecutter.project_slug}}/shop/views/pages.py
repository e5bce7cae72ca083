"""The pages. Where people wait for tasks, shop/static/shop/live.js asks the page's state address."""

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db.models import Q
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from shop import orders, reports, uploads
from shop.forms import OrderForm
from shop.models import DeliverySlip, ImportJob, Order, Product, Report
from shop.views import states

Arguments = ParamSpec("Arguments")
View = Callable[Concatenate[HttpRequest, Arguments], HttpResponse]

# On one page: a multiple of the columns that fit beside each other, and as much as people read of a list.
SHELF = 24
LISTED = 20
PROBLEMS = 50


def staff_only(view: View[Arguments]) -> View[Arguments]:
    """Ask for a login, and refuse those whom logging in again would not help."""

    @login_required
    @wraps(view)
    def answer(request: HttpRequest, /, *args: Arguments.args, **kwargs: Arguments.kwargs) -> HttpResponse:
        if not request.user.is_staff:
            raise PermissionDenied
        return view(request, *args, **kwargs)

    return answer


@require_http_methods(["GET", "POST"])
def front(request: HttpRequest) -> HttpResponse:
    """Show the shelves and take orders."""
    form = OrderForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            placed, _ = orders.place(form.wanted(), form.cleaned_data["key"].hex)
        except (orders.UnknownProductError, orders.KeyReusedError) as error:
            form.add_error(None, str(error))
        else:
            return redirect("shop:order", placed.pk)
    return render(request, "shop/front.html", {"form": form, **_shelves(request)})


def _shelves(request: HttpRequest) -> dict[str, object]:
    # PostgreSQL refuses NUL in text, and this text is whatever stands in the address.
    category, search = (request.GET.get(name, "").replace("\0", "").strip() for name in ("category", "q"))
    products = Product.objects.all()
    if category:
        products = products.filter(category=category)
    if search:
        products = products.filter(Q(name__icontains=search) | Q(sku__iexact=search))
    categories = Product.objects.order_by("category").values_list("category", flat=True).distinct()
    page = Paginator(products, SHELF).get_page(request.GET.get("page"))
    return {"page": page, "categories": categories, "category": category, "search": search}


@require_GET
def order(request: HttpRequest, number: UUID) -> HttpResponse:
    """Show an order and how far it has come; whoever knows its number may look."""
    found = get_object_or_404(Order.objects.prefetch_related("lines__product"), pk=number)
    return render(request, "shop/order.html", {"order": found, "state": states.order_state(found)})


@require_GET
def order_state(_request: HttpRequest, number: UUID) -> JsonResponse:
    """The state of an order, for its page."""
    return JsonResponse(states.order_state(get_object_or_404(Order, pk=number)))


@staff_only
@require_http_methods(["GET", "POST"])
def imports(request: HttpRequest) -> HttpResponse:
    """List the imports and take catalogues."""
    if request.method == "POST" and (file := request.FILES.get("file")):
        try:
            return redirect("shop:import", uploads.accept_catalogue(file).pk)
        except uploads.UploadError as error:
            messages.error(request, f"{file.name}: {error}")
    return render(request, "shop/imports.html", {"jobs": ImportJob.objects.defer("content")[:LISTED]})


@staff_only
@require_GET
def import_job(request: HttpRequest, number: int) -> HttpResponse:
    """Show an import, its progress and the rows it left out."""
    job = get_object_or_404(ImportJob.objects.defer("content"), pk=number)
    return render(request, "shop/import.html", {"job": job, "problems": job.problems.all()[:PROBLEMS]})


@staff_only
@require_GET
def import_state(_request: HttpRequest, number: int) -> HttpResponse:
    """The state of an import, for its page."""
    return JsonResponse(states.import_state(get_object_or_404(ImportJob.objects.defer("content"), pk=number)))


@staff_only
@require_http_methods(["GET", "POST"])
def slips(request: HttpRequest) -> HttpResponse:
    """Show the slips with what was read, and take new ones."""
    if request.method == "POST":
        _accept_slips(request)
        return redirect("shop:slips")
    listed = DeliverySlip.objects.defer("image")
    page = Paginator(listed, SHELF).get_page(request.GET.get("page"))
    return render(request, "shop/slips.html", {"page": page, "state": states.slips_state()})


def _accept_slips(request: HttpRequest) -> None:
    for file in request.FILES.getlist("files")[:SHELF]:
        try:
            uploads.accept_slip(file)
        except uploads.UploadError as error:
            messages.error(request, f"{file.name}: {error}")


@staff_only
@require_GET
def slips_state(_request: HttpRequest) -> HttpResponse:
    """How many slips are read, for their page."""
    return JsonResponse(states.slips_state())


@staff_only
@require_GET
def slip_image(_request: HttpRequest, number: int) -> HttpResponse:
    """The picture of a slip."""
    slip = get_object_or_404(DeliverySlip, pk=number)
    # It was uploaded: told to be a PNG whatever it is, and Django's nosniff header makes browsers believe it.
    response = HttpResponse(bytes(slip.image), content_type="image/png")
    response["Cache-Control"] = "private, max-age=86400, immutable"
    return response


@staff_only
@require_GET
def report_list(request: HttpRequest) -> HttpResponse:
    """List the reports."""
    found = Report.objects.all()[:LISTED]
    return render(request, "shop/reports.html", {"reports": found, "state": states.reports_state()})


@staff_only
@require_POST
def start_report(_request: HttpRequest) -> HttpResponse:
    """Have today's report built."""
    reports.ask_for(timezone.localdate())
    return redirect("shop:reports")


@staff_only
@require_GET
def reports_state(_request: HttpRequest) -> HttpResponse:
    """Whether all reports are built, for their page."""
    return JsonResponse(states.reports_state())


@staff_only
@require_GET
def report_file(_request: HttpRequest, number: int) -> HttpResponse:
    """A report as a file."""
    found = get_object_or_404(Report, pk=number)
    headers = {"Content-Disposition": f'attachment; filename="sales-{found.day}.csv"'}
    return HttpResponse(found.content, content_type="text/csv; charset=utf-8", headers=headers)
