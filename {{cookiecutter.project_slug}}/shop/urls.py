"""The shop's addresses."""

from django.urls import path

from shop.env import environment
from shop.views import api, pages, sandbox

app_name = "shop"

urlpatterns = [
    path("", pages.front, name="front"),
    path("orders/<uuid:number>/", pages.order, name="order"),
    path("orders/<uuid:number>/state", pages.order_state, name="order-state"),
    path("imports/", pages.imports, name="imports"),
    path("imports/<int:number>/", pages.import_job, name="import"),
    path("imports/<int:number>/state", pages.import_state, name="import-state"),
    path("slips/", pages.slips, name="slips"),
    path("slips/state", pages.slips_state, name="slips-state"),
    path("slips/<int:number>.png", pages.slip_image, name="slip-image"),
    path("reports/", pages.report_list, name="reports"),
    path("reports/start", pages.start_report, name="report-start"),
    path("reports/state", pages.reports_state, name="reports-state"),
    path("reports/<int:number>.csv", pages.report_file, name="report-file"),
    path("api/orders", api.place_order),
    path("api/orders/<uuid:number>", api.order),
    path("api/imports", api.start_import),
    path("api/imports/<int:number>", api.import_job),
    path("api/slips", api.add_slip),
    path("api/slips/<int:number>", api.slip),
    path("api/newsletters", api.start_newsletter),
    path("api/newsletters/<int:number>", api.newsletter_sent),
    path("api/reports", api.start_report),
    path("api/reports/<int:number>", api.report),
]

# Whoever can reach it can "pay": it exists for developers and tests only.
if environment().sandbox:
    urlpatterns += [path("sandbox/charges", sandbox.charge)]
