"""The import of a catalogue: rows from CSV, checked, and stored chunk by chunk."""

import csv
import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from shop import money
from shop.models import ImportJob, ImportProblem, Product
from shop.models.catalogue import LONGEST_CATEGORY, LONGEST_NAME
from workers.delivery.checkpoints import Point

# Of csv.DictReader: under the key None is what a row has too many, and None is what it lacks.
Fields = Mapping[Any, Any]

LONGEST = {"name": LONGEST_NAME, "category": LONGEST_CATEGORY}
COLUMNS = ("sku", "name", "category", "price")
SKU = re.compile(r"^[A-Z0-9][A-Z0-9-]{2,19}$")
# Rows a transaction: long enough to be quick, short enough that nobody waits for its locks.
CHUNK = 200


class CatalogueError(Exception):
    """The file as a whole cannot be imported."""


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the file: a product, or what is wrong with it."""

    line: int
    product: Product | None
    problem: str = ""


def read(content: bytes) -> Iterator[Row]:
    """Read the rows one by one: a catalogue is never in memory as objects, only as its bytes."""
    text = io.TextIOWrapper(io.BytesIO(content), encoding="utf-8-sig", newline="")
    reader = csv.DictReader(text)
    try:
        missing = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
        if missing:
            raise CatalogueError(f"line 1 names no column {' and no column '.join(missing)}")
        # A quoted field may span lines: a row's line is the one after the row before it.
        line = reader.line_num + 1
        for fields in reader:
            yield _row(line, fields)
            line = reader.line_num + 1
    except UnicodeDecodeError as error:
        raise CatalogueError(f"the text is not UTF-8 after line {reader.line_num}") from error
    except csv.Error as error:
        raise CatalogueError(f"line {reader.line_num}: {error}") from error


def _row(line: int, fields: Fields) -> Row:
    try:
        return Row(line, _product(fields))
    except ValueError as error:
        return Row(line, None, str(error)[:200])


def _product(fields: Fields) -> Product:
    if None in fields:
        raise ValueError(f"more than {len(fields) - 1} fields: is there a comma outside quotes?")
    values = {name: (fields[name] or "").strip() for name in COLUMNS}
    for name, value in values.items():
        if not value:
            raise ValueError(f"{name} is missing")
        if not value.isprintable():
            raise ValueError(f"{name} holds characters that cannot be printed: {value!r}")
    if not SKU.fullmatch(values["sku"]):
        raise ValueError(f"sku is not 3 to 20 capitals, digits and hyphens: {values['sku']!r}")
    for name, longest in LONGEST.items():
        if len(values[name]) > longest:
            raise ValueError(f"{name} is longer than {longest}: {len(values[name])} characters")
    return Product(
        sku=values["sku"],
        name=values["name"],
        category=values["category"],
        price_cents=money.cents(values["price"]),
    )


def run_import(job: ImportJob, point: Point) -> None:
    """Store the rows that no run before this one has stored; `point` holds their number."""
    content = bytes(job.content)
    if point.state is None:
        job.problems.all().delete()
        ImportJob.objects.filter(pk=job.pk).update(rows_total=sum(1 for _ in read(content)), rows_done=0, rows_bad=0)
    ImportJob.objects.filter(pk=job.pk).update(state=ImportJob.State.RUNNING)
    done = point.state or 0
    rows = islice(read(content), done, None)
    while chunk := list(islice(rows, CHUNK)):
        done += len(chunk)
        _store(job, done, chunk, point)
        point.leave_if_asked()
    finish(job, ImportJob.State.DONE)


def _store(job: ImportJob, done: int, chunk: list[Row], point: Point) -> None:
    """Store a chunk, the progress, and where the next run would go on, in one transaction."""
    bad = [row for row in chunk if not row.product]
    # The last of two rows with one number counts, as it would in two chunks; a database refuses both in one.
    products = {row.product.sku: row.product for row in chunk if row.product}
    with transaction.atomic():
        point.save(done)  # first: a run that another one has taken over from ends here, and stores nothing
        ImportJob.objects.filter(pk=job.pk).update(rows_done=done, rows_bad=F("rows_bad") + len(bad))
        Product.objects.bulk_create(
            products.values(),
            update_conflicts=True,
            unique_fields=["sku"],
            update_fields=["name", "category", "price_cents"],
        )
        ImportProblem.objects.bulk_create(ImportProblem(job=job, line=row.line, message=row.problem) for row in bad)


def finish(job: ImportJob, state: ImportJob.State, message: str = "") -> None:
    """Note how the import ended."""
    ImportJob.objects.filter(pk=job.pk).update(state=state, message=message[:200], finished_at=timezone.now())
