"""What every page's frame shows."""

from typing import Any

from django.apps import apps
from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse


def frame(_request: HttpRequest) -> dict[str, Any]:
    """The project's title, and the links of every app: `navigation = (("Orders", "orders"),)` in its AppConfig."""
    links = [link for app in apps.get_app_configs() for link in getattr(app, "navigation", ())]
    navigation = [(label, reverse(name)) for label, name in links]
    return {"project_title": settings.PROJECT["title"], "navigation": navigation}
