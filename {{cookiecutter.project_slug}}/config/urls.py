"""Addresses: the admin, logging in and out, and those of every project app, at the root."""

from importlib.util import find_spec

from django.conf import settings
from django.contrib import admin
from django.contrib.auth.views import LoginView, LogoutView
from django.urls import include, path
from django.views.generic import TemplateView

admin.site.site_header = admin.site.site_title = settings.PROJECT["title"]

urlpatterns = [
    path("admin/", admin.site.urls),
    path("login/", LoginView.as_view(redirect_authenticated_user=True), name="login"),
    path("logout/", LogoutView.as_view(), name="logout"),
    *(path("", include(f"{app}.urls")) for app in settings.PROJECT_APPS if find_spec(f"{app}.urls")),
    # Last: the page that says so when no app answers at the root.
    path("", TemplateView.as_view(template_name="start.html"), name="start"),
]
