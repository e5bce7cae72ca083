"""The newsletter: in chunks, to everybody once."""

import pytest
from django.core import mail

from shop.models import Newsletter, NewsletterPart, Subscriber
from shop.tasks import default

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def letter() -> Newsletter:
    """A letter to 120 subscribers."""
    Subscriber.objects.bulk_create(Subscriber(email=f"customer-{n}@example.org") for n in range(120))
    return Newsletter.objects.create(subject="New tea", body="Come and see.")


@pytest.mark.usefixtures("eager")
def test_everybody_gets_one_letter(letter: Newsletter) -> None:
    """A task for fifty subscribers, and each address by itself: nobody sees the others'."""
    default.newsletter.delay(newsletter_id=letter.pk)
    assert sorted(len(part.subscriber_ids) for part in letter.parts.all()) == [20, 50, 50]
    assert {tuple(message.to) for message in mail.outbox} == {(f"customer-{n}@example.org",) for n in range(120)}
    assert len(mail.outbox) == 120


@pytest.mark.usefixtures("eager")
def test_a_second_delivery_sends_nothing(letter: Newsletter) -> None:
    """Neither of the task that divides nor of one that sends."""
    default.newsletter.delay(newsletter_id=letter.pk)
    default.newsletter.delay(newsletter_id=letter.pk)
    default.send_part(part_id=letter.parts.earliest("pk").pk)
    assert (len(mail.outbox), NewsletterPart.objects.count()) == (120, 3)


def test_who_has_left_gets_nothing(letter: Newsletter, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also between dividing and sending."""
    monkeypatch.setattr(default.send_part, "apply_async", lambda *_args, **_options: None)
    default.newsletter(newsletter_id=letter.pk)
    Subscriber.objects.all().delete()
    for part in letter.parts.all():
        default.send_part(part_id=part.pk)
    assert not mail.outbox


@pytest.mark.usefixtures("eager")
def test_a_newsletter_without_subscribers_is_finished() -> None:
    """Nothing to send is done, not pending."""
    letter = Newsletter.objects.create(subject="New tea", body="Come and see.")
    default.newsletter.delay(newsletter_id=letter.pk)
    letter.refresh_from_db()
    assert letter.recipients == 0
