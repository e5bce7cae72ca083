"""The frame of every page."""

import re

import pytest
from django.conf import settings
from django.contrib.auth.models import AnonymousUser, User
from django.template.response import TemplateResponse
from django.test import Client, RequestFactory
from django.utils.html import escape
from django.views.defaults import server_error
from django.views.generic import TemplateView

INLINE = re.compile(r"<style|<script(?![^>]*\bsrc=)|\sstyle=|\son[a-z]+=", re.IGNORECASE)

pytestmark = pytest.mark.django_db


@pytest.fixture
def somebody() -> User:
    """A user with a password, who is no staff."""
    return User.objects.create_user("somebody", password="right")


def test_logging_in_and_out(client: Client, somebody: User) -> None:
    """The name shows while one is logged in; leaving takes a POST, which no other site can make."""
    refused = client.post("/login/", {"username": "somebody", "password": "wrong"})
    assert b"Please enter a correct username" in refused.content
    client.post("/login/", {"username": "somebody", "password": "right"})
    assert b"somebody" in client.get("/nowhere/").content
    assert client.get("/logout/").status_code == 405
    client.post("/logout/")
    assert b"Log in" in client.get("/nowhere/").content
    assert somebody.check_password("right")


@pytest.mark.parametrize("address", ["/login/", "/nowhere/", "/admin/login/"])
def test_pages_keep_to_their_policy(client: Client, address: str) -> None:
    """Browsers are told to refuse what the pages do not need, and the pages do not need it."""
    response = client.get(address)
    policy = response.headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "unsafe" not in policy
    assert not INLINE.search(response.content.decode())


def test_a_missing_page_has_the_frame(client: Client) -> None:
    """A wrong address is answered within the site."""
    response = client.get("/nowhere/")
    assert response.status_code == 404
    assert escape(settings.PROJECT["title"]) in response.content.decode()


def test_the_page_of_a_failure_needs_nothing() -> None:
    """It is shown without a request's context, and stays within the policy."""
    response = server_error(RequestFactory().get("/"))
    assert b"Something went wrong" in response.content
    assert not INLINE.search(response.content.decode())


def test_a_project_without_apps_has_a_start_page() -> None:
    """Deleting the last app leaves a page that says what to do."""
    request = RequestFactory().get("/")
    request.user = AnonymousUser()
    page = TemplateView.as_view(template_name="start.html")(request)
    assert isinstance(page, TemplateResponse)
    assert "PROJECT_APPS" in page.render().content.decode()


def test_every_request_has_an_id(client: Client) -> None:
    """The caller can name the request that failed; no two share an id."""
    ids = {client.get("/login/").headers["X-Request-ID"] for _ in range(2)}
    assert len(ids) == 2
    assert all(ids)
