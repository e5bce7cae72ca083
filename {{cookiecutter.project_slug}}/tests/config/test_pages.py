"""The frame of every page."""

import re
from types import ModuleType

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client, RequestFactory, override_settings
from django.urls import path
from django.views.generic import TemplateView

from config import urls

INLINE = re.compile(r"<style|<script(?![^>]*\bsrc=)|\bstyle=|\bon[a-z]+=", re.IGNORECASE)

pytestmark = pytest.mark.django_db


@pytest.fixture
def without_apps() -> object:
    """The addresses of a project whose apps answer nothing at the root."""
    module = ModuleType("urls_without_apps")
    own = [pattern for pattern in urls.urlpatterns if getattr(pattern, "name", None) or "admin" in str(pattern.pattern)]
    module.urlpatterns = own  # type: ignore[attr-defined]
    with override_settings(ROOT_URLCONF=module):
        yield
