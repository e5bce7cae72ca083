"""The import of a catalogue: what it keeps, what it leaves out, and what happens when it runs twice."""

from pathlib import Path

import pytest
from celery.exceptions import SoftTimeLimitExceeded
from django.db import DatabaseError

from shop import catalogue, money
from shop.models import ImportJob, ImportProblem, Product
from shop.tasks.batch import import_catalogue
from workers.delivery.checkpoints import OvertakenError, Point

HEAD = "sku,name,category,price\n"
SHIPPED = Path(catalogue.__file__).parent / "data" / "catalogue.csv"

pytestmark = pytest.mark.django_db


def imported(text: str | bytes) -> ImportJob:
    """Import a catalogue; the job as it is afterwards."""
    content = text.encode() if isinstance(text, str) else text
    job = ImportJob.objects.create(name="new.csv", content=content)
    import_catalogue(job_id=job.pk)
    job.refresh_from_db()
    return job


def test_the_shipped_catalogue_is_imported() -> None:
    """Thousands of rows, a handful of them wrong, as catalogues are."""
    job = imported(SHIPPED.read_bytes())
    assert job.state == ImportJob.State.DONE
    assert job.rows_done == job.rows_total > 4000
    assert 0 < job.rows_bad == job.problems.count() < 20
    assert Product.objects.count() == job.rows_total - job.rows_bad


@pytest.mark.parametrize(
    ("row", "why"),
    [
        (",Assam,Tea,4.50", "sku is missing"),
        ("tea-1,Assam,Tea,4.50", "sku is not 3 to 20 capitals, digits and hyphens: 'tea-1'"),
        ("TEA-1,,Tea,4.50", "name is missing"),
        (f"TEA-1,{'x' * 121},Tea,4.50", "name is longer than 120: 121 characters"),
        ("TEA-1,As\x00sam,Tea,4.50", "name holds characters that cannot be printed: 'As\\x00sam'"),
        ("TEA-1,Assam,Tea", "price is missing"),
        ("TEA-1,Assam,Tea,", "price is missing"),
        ("TEA-1,Assam,Tea,n/a", "price is no number: 'n/a'"),
        ("TEA-1,Assam,Tea,NaN", "price is no number: 'NaN'"),
        ("TEA-1,Assam,Tea,Infinity", "price is no number: 'Infinity'"),
        ("TEA-1,Assam,Tea,4.505", "price has parts of a cent: '4.505'"),
        ("TEA-1,Assam,Tea,0", "price is not between 0.01 and 10000.00: '0'"),
        ("TEA-1,Assam,Tea,1e9", "price is not between 0.01 and 10000.00: '1e9'"),
        ("TEA-1,Assam, loose,Tea,4.50", "more than 4 fields: is there a comma outside quotes?"),
    ],
)
def test_a_bad_row_is_left_out_with_its_line(row: str, why: str) -> None:
    """The rows around it are imported, and whoever made the file learns where to look."""
    job = imported(f'{HEAD}TEA-8,"Over\ntwo lines",Tea,1.00\n{row}\nTEA-9,Mint,Tea,2.00\n')
    assert [(problem.line, problem.message) for problem in job.problems.all()][-1] == (4, why)
    assert job.state == ImportJob.State.DONE
    assert Product.objects.filter(sku="TEA-9").exists()


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "line 1 names no column sku"),
        (b"sku,name,price\nTEA-1,Assam,4.50\n", "line 1 names no column category"),
        (HEAD.encode() + b"TEA-1,Assam\xff,Tea,4.50\n", "not UTF-8"),
        (HEAD.encode() + b'TEA-1,"' + b"x" * 200_000 + b'",Tea,4.50\n', "field larger than field limit"),
    ],
)
def test_a_file_that_is_no_catalogue_fails_with_a_reason(content: bytes, why: str) -> None:
    """An answer for whoever uploaded it, not an exception for whoever runs the workers."""
    job = imported(content)
    assert job.state == ImportJob.State.FAILED
    assert why in job.message


def test_an_import_changes_what_is_there() -> None:
    """The second catalogue's price counts, and so does the last of two rows in one chunk."""
    imported(f"{HEAD}TEA-1,Assam,Tea,4.50\nTEA-1,Assam,Tea,4.60\n")
    assert Product.objects.get().price_cents == 460
    imported(f"{HEAD}TEA-1,Assam,Tea,4.70\n")
    assert Product.objects.get().price_cents == 470


def rows(count: int) -> str:
    """Write a catalogue of so many rows."""
    return HEAD + "".join(f"TEA-{n},Tea {n},Tea,1.0{n % 7}\n" for n in range(100, 100 + count))


def test_a_second_run_goes_on_where_the_first_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that dies in the third chunk loses none of the first two, and counts no row twice."""
    job = ImportJob.objects.create(name="new.csv", content=rows(950).encode() + b"bad,,,\n")
    stored: list[int] = []
    store = catalogue._store

    def dies(job: ImportJob, done: int, chunk: list[catalogue.Row], point: Point) -> None:
        if len(stored) == 2:
            raise SystemExit
        stored.append(len(chunk))
        store(job, done, chunk, point)

    monkeypatch.setattr(catalogue, "_store", dies)
    with pytest.raises(SystemExit):
        import_catalogue(job_id=job.pk)

    def lives(job: ImportJob, done: int, chunk: list[catalogue.Row], point: Point) -> None:
        stored.append(len(chunk))
        store(job, done, chunk, point)

    monkeypatch.setattr(catalogue, "_store", lives)
    import_catalogue(job_id=job.pk)
    job.refresh_from_db()
    assert sum(stored) == 951
    assert (job.rows_done, job.rows_bad, job.state) == (951, 1, ImportJob.State.DONE)
    assert Product.objects.count() == 950


def test_a_chunk_and_its_progress_are_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows that could not be stored do not count as done: the next run would pass over them."""

    def fail(*_given: object) -> None:
        raise DatabaseError("disk full")

    job = ImportJob.objects.create(name="new.csv", content=rows(10).encode())
    monkeypatch.setattr(ImportProblem.objects, "bulk_create", fail)
    with pytest.raises(DatabaseError):
        import_catalogue(job_id=job.pk)
    job.refresh_from_db()
    assert (job.rows_done, Product.objects.count()) == (0, 0)


def test_a_chunk_names_a_product_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """PostgreSQL refuses an upsert that meets one row twice; SQLite would not tell."""
    stored: list[str] = []
    monkeypatch.setattr(Product.objects, "bulk_create", lambda given, **_how: stored.extend(one.sku for one in given))
    imported(f"{HEAD}TEA-1,Assam,Tea,4.50\nTEA-1,Assam,Tea,4.60\n")
    assert stored == ["TEA-1"]


def test_two_runs_at_once_count_each_row_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second delivery overtakes the first, which ends at its next chunk and leaves the rest to it."""
    job = ImportJob.objects.create(name="new.csv", content=rows(500).encode() + b"bad,,,\n")
    store = catalogue._store

    def overtake(job: ImportJob, done: int, chunk: list[catalogue.Row], point: Point) -> None:
        monkeypatch.setattr(catalogue, "_store", store)
        import_catalogue(job_id=job.pk)
        store(job, done, chunk, point)

    monkeypatch.setattr(catalogue, "_store", overtake)
    with pytest.raises(OvertakenError):
        import_catalogue(job_id=job.pk)
    job.refresh_from_db()
    assert (job.rows_done, job.rows_bad, ImportProblem.objects.count()) == (501, 1, 1)


def test_an_import_out_of_time_goes_on_in_the_next_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """A catalogue too long for the limit is imported by several runs."""
    job = ImportJob.objects.create(name="new.csv", content=rows(500).encode())
    store = catalogue._store
    calls: list[int] = []

    def slow(job: ImportJob, done: int, chunk: list[catalogue.Row], point: Point) -> None:
        calls.append(done)
        if len(calls) == 2:
            raise SoftTimeLimitExceeded
        store(job, done, chunk, point)

    monkeypatch.setattr(catalogue, "_store", slow)
    with pytest.raises(SoftTimeLimitExceeded):  # in a worker it is sent again instead
        import_catalogue(job_id=job.pk)
    import_catalogue(job_id=job.pk)
    job.refresh_from_db()
    assert calls == [200, 400, 400, 500]
    assert (job.state, job.rows_done) == (ImportJob.State.DONE, 500)


@pytest.mark.parametrize(("text", "cents"), [("1", 100), ("12.5", 1250), ("0.01", 1), ("10000.00", 1_000_000)])
def test_prices_are_read_exactly(text: str, cents: int) -> None:
    """Not by way of floats: 0.29 * 100 is 28.999..."""
    assert money.cents(text) == cents
    assert money.cents("0.29") == 29


@pytest.mark.parametrize(("cents", "text"), [(0, "0.00"), (5, "0.05"), (1250, "12.50"), (123_456_789, "1234567.89")])
def test_prices_are_written_exactly(cents: int, text: str) -> None:
    """With two decimals, whatever the size."""
    assert money.decimal(cents) == text
