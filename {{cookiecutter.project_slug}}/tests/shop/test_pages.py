"""The pages: what people see, and who may see it."""

from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from shop.models import DeliverySlip, ImportJob, Order, Report
from shop.tasks import batch
from tests.shop.samples import pending_payment

pytestmark = pytest.mark.django_db
STAFF = ["/imports/", "/imports/1/", "/imports/1/state", "/slips/", "/slips/state", "/slips/1.png", "/reports/"]


def filled(**changes: Any) -> dict[str, Any]:
    """Fill in the order form."""
    return {"email": "ada@example.org", "card_token": "tok_4242", "key": str(uuid4()), "quantity-TEA-1": "2"} | changes


@pytest.mark.usefixtures("products")
def test_an_order_leads_to_its_page(client: Client) -> None:
    """The page follows the order until it is finished."""
    response = client.post("/", filled(**{"quantity-TEA-2": "", "quantity-BAK-1": "0"}), follow=True)
    order = Order.objects.get()
    assert response.redirect_chain == [(f"/orders/{order.pk}/", 302)]
    assert f'data-live="/orders/{order.pk}/state"' in response.text
    assert "Assam, 250 g" in response.text
    assert "€9.00" in response.text


@pytest.mark.usefixtures("products")
def test_a_form_sent_twice_is_one_order(client: Client) -> None:
    """A double click buys once."""
    form = filled()
    addresses = {client.post("/", form)["Location"] for _ in range(2)}
    assert (len(addresses), Order.objects.count()) == (1, 1)


@pytest.mark.usefixtures("products")
@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"quantity-TEA-1": ""}, "Choose 1 to 50 products."),
        ({"quantity-TEA-1": "-1"}, "A quantity is 0 to 99."),
        ({"quantity-TEA-1": "9" * 5000}, "A quantity is 0 to 99."),
        ({"quantity-TEA-1": "²"}, "A quantity is 0 to 99."),
        ({"quantity-TEA-77": "1"}, "no product has the number TEA-77"),
        ({"email": "ada"}, "Enter a valid email address."),
        ({"card_token": "4242"}, "A card is tok_ and 4 to 16 digits."),
    ],
)
def test_a_mistake_is_shown_and_nothing_is_lost(client: Client, changes: dict[str, str], said: str) -> None:
    """The form comes back with what was typed."""
    response = client.post("/", filled(**changes))
    assert response.status_code == 200
    assert said in response.text
    assert not Order.objects.exists()


@pytest.mark.usefixtures("products")
def test_the_shelves_can_be_searched(client: Client) -> None:
    """By name, number and category; and a search that no database would take finds nothing."""
    assert "Rye loaf" not in client.get("/", {"q": "assam"}).text
    assert "Rye loaf" in client.get("/", {"q": "bak-1"}).text
    assert "Assam" not in client.get("/", {"category": "Bakery"}).text
    nothing = client.get("/", {"q": "coffee\0"})
    assert "Nothing like that" in nothing.text
    assert nothing.context["search"] == "coffee"  # PostgreSQL would have refused it with an error


def test_empty_shelves_say_what_to_do(client: Client) -> None:
    """A first start without products is not a blank page."""
    assert "import a catalogue" in client.get("/").text


def test_a_finished_order_is_left_alone(client: Client) -> None:
    """Its page asks for nothing any more."""
    order = pending_payment().order
    Order.objects.update(state=Order.State.DECLINED)
    response = client.get(f"/orders/{order.pk}/")
    assert "The card was declined" in response.text
    assert "data-live" not in response.text


def test_an_order_tells_how_far_it_is(client: Client) -> None:
    """What the page asks for: the steps taken, and whether to go on asking."""
    order = pending_payment().order
    Order.objects.update(state=Order.State.PAID)
    state = client.get(f"/orders/{order.pk}/state").json()
    assert (state["reached"], state["finished"]) == (["placed", "paid"], False)


@pytest.mark.parametrize("address", STAFF)
def test_work_pages_are_for_staff(client: Client, address: str) -> None:
    """Visitors are sent to the login; customers with an account are refused."""
    assert client.get(address)["Location"].startswith("/login/")
    client.force_login(User.objects.create_user("ada"))
    assert client.get(address).status_code == 403


def test_an_import_is_followed(admin_client: Client) -> None:
    """From the upload to the page with its progress bar."""
    file = SimpleUploadedFile("new.csv", b"sku,name,category,price\nTEA-1,Assam,Tea,4.50\nbad,,,\n")
    response = admin_client.post("/imports/", {"file": file}, follow=True)
    job = ImportJob.objects.get()
    assert f'data-live="/imports/{job.pk}/state"' in response.text
    assert "<progress" in response.text
    batch.import_catalogue(job_id=job.pk)
    page = admin_client.get(f"/imports/{job.pk}/").text
    assert "data-live" not in page
    assert "name is missing" in page
    assert admin_client.get(f"/imports/{job.pk}/state").json()["finished"]
    assert "new.csv" in admin_client.get("/imports/").text


def test_a_refused_upload_is_explained(admin_client: Client) -> None:
    """On the page, by the file's name."""
    response = admin_client.post("/imports/", {"file": SimpleUploadedFile("new.csv", b"")})
    assert "the file is empty" in response.text or "submitted file is empty" in response.text
    response = admin_client.post("/slips/", {"files": [SimpleUploadedFile("x.png", b"GIF89a")]}, follow=True)
    assert "x.png: the file is no PNG picture" in response.text


def test_slips_are_counted(admin_client: Client) -> None:
    """Right, wrong and noticed, wrong and not noticed: the figures that say whether to trust the model."""
    for expected, digits, confidence in (("1", "1", 1.0), ("2", "7", 0.5), ("3", "8", 1.0), ("", "4", 1.0)):
        DeliverySlip.objects.create(
            name="s", image=b"png", expected=expected, digits=digits, confidence=confidence, state="read"
        )
    DeliverySlip.objects.create(name="s", image=b"png")
    state = admin_client.get("/slips/state").json()
    assert state == {
        "total": 5, "waiting": 1, "read": 4, "known": 3, "correct": 1, "unsure": 1, "slipped": 1, "finished": False,
    }  # fmt: skip
    assert "50 % sure" in admin_client.get("/slips/").text


def test_an_uploaded_picture_is_never_anything_else(admin_client: Client) -> None:
    """What somebody uploaded must not run as a page of this site."""
    slip = DeliverySlip.objects.create(name="s", image=b"<script>")
    response = admin_client.get(f"/slips/{slip.pk}.png")
    assert (response["Content-Type"], response["X-Content-Type-Options"]) == ("image/png", "nosniff")


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("eager")
def test_a_report_is_asked_for(admin_client: Client) -> None:
    """A button, and the day's figures."""
    response = admin_client.post("/reports/start", follow=True)
    assert Report.objects.get().state == Report.State.DONE
    assert "CSV" in response.text
    assert admin_client.get("/reports/state").json() == {"building": 0, "finished": True}


@pytest.mark.usefixtures("products")
@pytest.mark.parametrize(
    "model",
    ["product", "order", "payment", "importjob", "deliveryslip", "newsletter", "report", "subscriber"],
)
def test_everything_is_in_the_admin(admin_client: Client, model: str) -> None:
    """Its list opens."""
    pending_payment()
    assert admin_client.get(f"/admin/shop/{model}/").status_code == 200


def test_the_admin_shows_an_order_and_does_not_change_it(admin_client: Client) -> None:
    """Money is moved by tasks, not by forms."""
    order = pending_payment().order
    page = admin_client.get(f"/admin/shop/order/{order.pk}/change/").text
    assert "Darjeeling" in page
    assert 'name="_save"' not in page


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("eager")
def test_a_stuck_import_is_sent_again(admin_client: Client) -> None:
    """For the day a message was lost."""
    job = ImportJob.objects.create(name="new.csv", content=b"sku,name,category,price\n")
    form = {"action": "send_again", "_selected_action": [job.pk]}
    admin_client.post("/admin/shop/importjob/", form)
    job.refresh_from_db()
    assert job.state == ImportJob.State.DONE
