"""The JSON API: what it takes, what it refuses, and how it says so."""

import json
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from shop import digits, uploads
from shop.models import DeliverySlip, ImportJob, Newsletter, Order, Payment, Product, Report, Subscriber

pytestmark = pytest.mark.django_db
GOOD: dict[str, Any] = {
    "email": "ada@example.org",
    "card_token": "tok_4242",
    "lines": [{"sku": "TEA-1", "quantity": 2}, {"sku": "BAK-1", "quantity": 1}],
}


def post(client: Client, path: str, body: Any, key: str | None = None) -> Any:
    """Send a body to the API; as it is if it is text."""
    headers = {"Idempotency-Key": key} if key else {}
    text = body if isinstance(body, str) else json.dumps(body)
    return client.post(f"/api/{path}", text, content_type="application/json", headers=headers)


def problems(response: Any) -> dict[str, str]:
    """Read a refusal: what is wrong, by where."""
    return {problem["where"]: problem["what"] for problem in response.json()["errors"]}


@pytest.mark.usefixtures("products")
def test_an_order_is_placed_at_the_prices_of_that_moment(api: Client) -> None:
    """A price that changes later does not change what was ordered."""
    response = post(api, "orders", GOOD)
    Product.objects.update(price_cents=1)
    assert response.status_code == 201
    order = Order.objects.get(pk=response.json()["id"])
    assert order.total_cents == 2 * 450 + 399
    assert order.payment.amount_cents == order.total_cents
    assert order.payment.state == Payment.State.PENDING
    assert {line.product_id: line.price_cents for line in order.lines.all()} == {"TEA-1": 450, "BAK-1": 399}


@pytest.mark.usefixtures("products")
def test_the_same_key_is_the_same_order(api: Client) -> None:
    """A customer whose connection broke may send again without paying twice."""
    first = post(api, "orders", GOOD, "basket-0001")
    second = post(api, "orders", GOOD, "basket-0001")
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json()["id"] == second.json()["id"]
    assert Payment.objects.count() == 1


@pytest.mark.usefixtures("products")
def test_a_key_is_not_for_two_different_orders(api: Client) -> None:
    """A program that reuses a key by mistake learns of it; it does not get somebody else's order."""
    post(api, "orders", GOOD, "basket-0001")
    other = post(api, "orders", {**GOOD, "email": "grace@example.org"}, "basket-0001")
    assert other.status_code == 409
    assert problems(other) == {"header Idempotency-Key": "this key was used for another order"}


@pytest.mark.usefixtures("products")
def test_the_newsletter_is_for_those_who_ask(api: Client) -> None:
    """Nobody is subscribed by buying, nor twice."""
    post(api, "orders", GOOD)
    assert not Subscriber.objects.exists()
    for _ in range(2):
        post(api, "orders", {**GOOD, "newsletter": True})
    assert Subscriber.objects.count() == 1


@pytest.mark.usefixtures("products")
@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"email": "ada"}, "email"),
        ({"email": None}, "email"),
        ({"lines": []}, "lines"),
        ({"lines": [{"sku": "TEA-1", "quantity": 0}]}, "lines[0].quantity"),
        ({"lines": [{"sku": "TEA-1", "quantity": 100}]}, "lines[0].quantity"),
        ({"lines": [{"sku": "TEA-1", "quantity": "2"}]}, "lines[0].quantity"),
        ({"lines": [{"sku": "TEA-1", "quantity": 1}, {"sku": "TEA-7", "quantity": 1}]}, "lines[1].sku"),
        ({"lines": [{"sku": "tea\0", "quantity": 1}]}, "lines[0].sku"),
        ({"lines": [{"sku": "TEA-1", "quantity": 1}] * 2}, "lines"),
        ({"lines": [{"sku": "TEA-1", "quantity": 1, "price": 1}]}, "lines[0].price"),
        ({"card_token": "4242 4242 4242 4242"}, "card_token"),
        ({"total": 1}, "total"),
    ],
)
def test_a_bad_order_is_refused_with_its_place(api: Client, change: dict[str, Any], where: str) -> None:
    """400, where the mistake is, and nothing is kept."""
    response = post(api, "orders", {**GOOD, **change})
    assert response.status_code == 400
    assert list(problems(response)) == [where]
    assert not Order.objects.exists()


@pytest.mark.usefixtures("products")
def test_all_mistakes_are_named_at_once(api: Client) -> None:
    """Nobody has to send five times to learn of five mistakes."""
    response = post(api, "orders", {"email": "ada", "lines": [{"sku": "TEA-1"}], "card_token": "1"})
    assert set(problems(response)) == {"email", "lines[0].quantity", "card_token"}


@pytest.mark.usefixtures("products")
@pytest.mark.parametrize("body", ["", "{", "[]", '"text"', "\xff", "null"])
def test_what_is_no_json_object_is_refused(api: Client, body: str) -> None:
    """Whatever comes, the answer is JSON and not a page about an exception."""
    response = post(api, "orders", body)
    assert response.status_code == 400
    assert problems(response)


@pytest.mark.usefixtures("products")
@pytest.mark.parametrize("key", ["short", "x" * 65, "with space"])
def test_a_key_has_a_form(api: Client, key: str) -> None:
    """A key that could not be stored or compared is refused."""
    response = post(api, "orders", GOOD, key)
    assert (response.status_code, list(problems(response))) == (400, ["header Idempotency-Key"])


@pytest.mark.usefixtures("products")
@pytest.mark.parametrize("header", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": "Bearer wröng"}])
def test_without_the_token_nothing_is_told(header: dict[str, str]) -> None:
    """Neither a missing nor a wrong token gets in, and a session would not help."""
    response = post(Client(headers=header), "orders", GOOD)
    assert (response.status_code, list(problems(response))) == (401, ["header Authorization"])
    assert not Order.objects.exists()


def test_a_wrong_method_names_the_right_one(api: Client) -> None:
    """405, in JSON as everything else."""
    response = api.get("/api/orders")
    assert (response.status_code, problems(response)) == (405, {"method": "GET is not POST"})


@pytest.mark.parametrize("kind", ["imports", "slips", "newsletters", "reports"])
def test_what_is_not_there_is_not_found(api: Client, kind: str) -> None:
    """404, in JSON as everything else."""
    response = api.get(f"/api/{kind}/7")
    assert (response.status_code, list(problems(response))) == (404, ["address"])


def test_a_catalogue_is_taken_and_imported(api: Client) -> None:
    """The answer comes before the work: 202 and where it stands."""
    file = SimpleUploadedFile("new.csv", b"sku,name,category,price\nTEA-1,Assam,Tea,4.50\n")
    response = api.post("/api/imports", {"file": file})
    assert (response.status_code, response.json()["state"]) == (202, "waiting")
    assert bytes(ImportJob.objects.get().content).startswith(b"sku,")


@pytest.mark.parametrize(
    ("content", "what"), [(b"", "empty"), (b"x" * (uploads.LARGEST_CATALOGUE + 1), "5 MiB are allowed")]
)
def test_a_catalogue_has_a_size(api: Client, content: bytes, what: str) -> None:
    """What would fill the database is refused while the customer still looks."""
    response = api.post("/api/imports", {"file": SimpleUploadedFile("new.csv", content)})
    assert response.status_code == 400
    assert what in problems(response)["file"]


def test_a_missing_file_is_named(api: Client) -> None:
    """JSON instead of a form gets an answer that helps."""
    assert "file" in problems(post(api, "imports", {}))


def test_a_slip_is_taken(api: Client) -> None:
    """A picture and the number it should show."""
    _, unseen, _ = digits.train()
    file = SimpleUploadedFile("slip.png", digits.picture(list(unseen[:6])))
    response = api.post("/api/slips", {"file": file, "expected": "123456"})
    assert response.status_code == 202
    assert DeliverySlip.objects.get().expected == "123456"


def header(width: int, height: int) -> bytes:
    """Make the start of a PNG of this size."""
    return uploads.PNG + b"\0\0\0\rIHDR" + width.to_bytes(4, "big") + height.to_bytes(4, "big")


@pytest.mark.parametrize(
    "content", [b"GIF89a" + b"\0" * 40, uploads.PNG, header(0, 10), header(50_000, 50_000)], ids=repr
)
def test_a_slip_that_is_no_sane_picture_is_refused(api: Client, content: bytes) -> None:
    """A file that would unpack to gigabytes never reaches a worker."""
    response = api.post("/api/slips", {"file": SimpleUploadedFile("slip.png", content)})
    assert (response.status_code, list(problems(response))) == (400, ["file"])


def test_an_expected_number_is_a_number(api: Client) -> None:
    """The place is the field, not the file."""
    response = api.post("/api/slips", {"file": SimpleUploadedFile("s.png", header(80, 8)), "expected": "12a"})
    assert problems(response) == {"expected": "it is not 1 to 12 digits: '12a'"}


def test_a_newsletter_and_a_report_can_be_asked_for(api: Client) -> None:
    """Both answer before they are done."""
    assert post(api, "newsletters", {"subject": "New", "body": "Tea"}).status_code == 202
    assert post(api, "reports", {"day": "2026-01-31"}).status_code == 202
    assert (Newsletter.objects.count(), str(Report.objects.get().day)) == (1, "2026-01-31")


@pytest.mark.parametrize(
    ("path", "body", "where"),
    [
        ("newsletters", {"subject": "two\nlines", "body": "Tea"}, "subject"),
        ("newsletters", {"subject": "New", "body": ""}, "body"),
        ("reports", {"day": "2999-01-01"}, "day"),
        ("reports", {"day": "31.1.2026"}, "day"),
    ],
)
def test_their_input_is_checked(api: Client, path: str, body: dict[str, str], where: str) -> None:
    """A header cannot be smuggled into a mail, nor a report made of days to come."""
    response = post(api, path, body)
    assert (response.status_code, list(problems(response))) == (400, [where])
