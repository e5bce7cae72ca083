"""The model that reads slips: how well, how often it is loaded, and when it is refused."""

import subprocess
import sys
from io import StringIO
from pathlib import Path
from typing import IO

import numpy as np
import pytest
from django.core.management import call_command
from pytest_django import Settings

from config.env import BASE_DIR
from shop import digits, model_file
from shop.models import DeliverySlip
from shop.tasks import ml

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def new_process() -> None:
    """Every test begins as a child does: with no model loaded."""
    ml.model.cache_clear()


@pytest.fixture
def slips(model: Path) -> list[DeliverySlip]:
    """The sample slips, uploaded and not read."""
    assert model.exists()
    _, unseen, answers = digits.train()
    return [
        DeliverySlip.objects.create(name=f"{number}.png", image=picture, expected=number)
        for number, picture in digits.samples(unseen, answers).items()
    ]


def test_most_slips_are_read_right(slips: list[DeliverySlip]) -> None:
    """Six digits that the model has never seen: nine slips in ten, and most of the others are marked."""
    for slip in slips:
        ml.read_slip(slip_id=slip.pk)
    read = list(DeliverySlip.objects.all())
    wrong = [slip for slip in read if not slip.correct]
    assert len(read) > 70
    assert len(wrong) < 0.1 * len(read)
    assert sum(not slip.unsure for slip in wrong) < 0.05 * len(read)
    assert sum(slip.unsure for slip in read) < 0.35 * len(read)


def test_the_model_is_loaded_once_a_process(slips: list[DeliverySlip], monkeypatch: pytest.MonkeyPatch) -> None:
    """Loading takes a hundred times as long as reading."""
    opened: list[Path] = []
    really = model_file.opened

    def counted(path: Path) -> tuple[model_file.Label, IO[bytes]]:
        opened.append(path)
        return really(path)

    monkeypatch.setattr(model_file, "opened", counted)
    for slip in slips[:5]:
        ml.read_slip(slip_id=slip.pk)
    assert len(opened) == 1


def test_only_the_readers_load_the_library() -> None:
    """The web, beat and the other groups import every task, and do without a hundred megabytes."""
    code = (
        "import django, sys; django.setup(); import shop.tasks, shop.urls, shop.admin, config.celery;"
        "print([name for name in ('sklearn', 'numpy', 'scipy', 'PIL') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=BASE_DIR,
        env={"ENVIRONMENT": "test", "DJANGO_SETTINGS_MODULE": "config.settings.test", "PATH": ""},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "there is no model at"),
        (b"", "is no model of this shop"),
        (b"\x80\x04pickle", "is no model of this shop"),
        (b'{"accuracy": 1}\n', "is no model of this shop"),
        (b'{"library": "0.1.0", "accuracy": 1}\n', "was trained by scikit-learn 0.1.0, and this is"),
    ],
)
def test_a_model_that_cannot_be_trusted_is_refused(tmp_path: Path, content: bytes | None, why: str) -> None:
    """Before it is unpickled, and with what to do about it."""
    path = tmp_path / "digits.model"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(model_file.ModelRefusedError, match=why) as refused:
        digits.load(path)
    assert "`manage.py train_digits` makes one" in str(refused.value)


@pytest.mark.usefixtures("model")
@pytest.mark.parametrize(
    ("content", "why"),
    [(b"no picture", "not a PNG picture"), (digits.picture([np.zeros(64)] * 13), "no row of 1 to 12 digits")],
    ids=["text", "too long"],
)
def test_an_unreadable_slip_is_a_result(content: bytes, why: str) -> None:
    """Nothing to retry: a person has to look."""
    slip = DeliverySlip.objects.create(name="x.png", image=content)
    ml.read_slip(slip_id=slip.pk)
    slip.refresh_from_db()
    assert (slip.state, slip.unsure) == (DeliverySlip.State.UNREADABLE, True)
    assert why in slip.message


def test_training_writes_a_model_and_slips(tmp_path: Path, settings: Settings) -> None:
    """One command makes what the ml group and the demonstration need, and says how good it is."""
    settings.DATA_DIR = tmp_path
    out = StringIO()
    call_command("train_digits", stdout=out)
    assert "% of 450 digits that it has never seen" in out.getvalue()
    assert model_file.digits_path().exists()
    names = sorted(path.name for path in (tmp_path / "slips").iterdir())
    assert len(names) > 70
    assert all(name[3] == "-" and name[4:10].isdigit() for name in names)


def test_training_is_skipped_only_for_a_usable_model(tmp_path: Path, settings: Settings) -> None:
    """A start with its model is quick; one with another version's model trains anew."""
    settings.DATA_DIR = tmp_path
    call_command("train_digits", stdout=StringIO())
    path = model_file.digits_path()
    trained = path.stat().st_mtime_ns
    call_command("train_digits", "--if-missing", stdout=StringIO())
    assert path.stat().st_mtime_ns == trained
    path.write_bytes(b'{"library": "0.1.0", "accuracy": 1}\n')
    call_command("train_digits", "--if-missing", stdout=StringIO())
    assert digits.load(path).accuracy > 0.95
