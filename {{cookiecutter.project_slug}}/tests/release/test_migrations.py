"""Which operations the running release can live with, and what is said of the others."""

import pytest
from django.db import migrations, models
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ModelState, ProjectState
from django.db.models.functions import Now

from workers.release.migrations import dangers


def _state() -> ProjectState:
    """A table that the running release works on."""
    fields: list[tuple[str, models.Field[object, object]]] = [
        ("id", models.BigAutoField(primary_key=True)),
        ("name", models.CharField(max_length=20)),
        ("note", models.TextField(null=True)),  # type: ignore[misc]
    ]
    state = ProjectState()
    state.add_model(ModelState("shop", "Order", fields))
    return state


def _migration(*operations: Operation, compatible: str = "") -> migrations.Migration:
    migration = migrations.Migration("0002_next", "shop")
    migration.operations = list(operations)  # type: ignore[misc]
    if compatible:
        migration.compatible = compatible  # type: ignore[attr-defined]
    return migration


def _said(*operations: Operation, compatible: str = "") -> list[str]:
    return [str(danger) for danger in dangers(_state(), [_migration(*operations, compatible=compatible)])]


HARMLESS: dict[str, Operation] = {
    "a column that may be empty": migrations.AddField("order", "paid", models.DateTimeField(null=True)),
    "a column that the database fills": migrations.AddField("order", "at", models.DateTimeField(db_default=Now())),
    "a table": migrations.CreateModel("Parcel", [("id", models.BigAutoField(primary_key=True))]),
    "an index": migrations.AddIndex("order", models.Index(fields=["name"], name="by_name")),
    "more room": migrations.AlterField("order", "name", models.CharField(max_length=40)),
    "NULL allowed": migrations.AlterField("order", "name", models.CharField(max_length=20, null=True)),
    "code": migrations.RunPython(migrations.RunPython.noop),
    "a constraint less": migrations.AlterModelOptions("order", {"ordering": ["name"]}),
}
LATER = "let a release go out that no longer uses it, then migrate with the next one"
RENAME = "add the new one, fill it, use it, and remove the old one in a later release"
DANGEROUS: dict[str, Operation] = {
    f"Remove field note from order: the running release still reads and writes that column; {LATER}": (
        migrations.RemoveField("order", "note")
    ),
    f"Delete model Order: the running release still reads and writes that table; {LATER}": (
        migrations.DeleteModel("Order")
    ),
    f"Rename field name on order to title: the running release knows the old name only; {RENAME}": (
        migrations.RenameField("order", "name", "title")
    ),
    f"Rename model Order to Sale: the running release knows the old name only; {RENAME}": (
        migrations.RenameModel("Order", "Sale")
    ),
    (
        "Add field price to order: the running release inserts rows without it, and the column takes no NULL; "
        "give it db_default=, or null=True until the next release"
    ): migrations.AddField("order", "price", models.IntegerField(default=0)),
    (
        "Alter field note on order: the running release may write NULL, which will be refused; "
        "fill it now, forbid NULL a release later"
    ): migrations.AlterField("order", "note", models.TextField(default="")),
    f"Alter field name on order: the running release writes CharField, and it becomes IntegerField; {RENAME}": (
        migrations.AlterField("order", "name", models.IntegerField())
    ),
    (
        "Alter field name on order: the running release may write a value twice, which will be refused; "
        "make it unique a release later"
    ): migrations.AlterField("order", "name", models.CharField(max_length=20, unique=True)),
    (
        "Create constraint named on model order: the running release may write rows that it refuses; "
        "let a release go out that keeps it, then add it"
    ): migrations.AddConstraint("order", models.CheckConstraint(condition=~models.Q(name=""), name="named")),
    (
        "Raw SQL operation: nobody but you can read what that does; "
        'if the running release can live with it: compatible = "why"'
    ): migrations.RunSQL("DROP TABLE shop_order"),
}


@pytest.mark.parametrize("operation", HARMLESS.values(), ids=list(HARMLESS))
def test_what_old_code_does_not_see(operation: Operation) -> None:
    """Expand: it goes on as if nothing were."""
    assert _said(operation) == []


@pytest.mark.parametrize(("said", "operation"), DANGEROUS.items(), ids=[said[:20] for said in DANGEROUS])
def test_what_old_code_cannot_live_with(said: str, operation: Operation) -> None:
    """Contract, too early: where, what, why, and what to do."""
    assert _said(operation) == [f"shop.0002_next: {said}"]


def test_all_of_them_at_once() -> None:
    """Not the first only."""
    assert len(_said(migrations.RemoveField("order", "note"), migrations.RunSQL("SELECT 1"))) == 2


def test_the_owner_may_know_better() -> None:
    """And says why, in the migration."""
    assert _said(migrations.RemoveField("order", "note"), compatible="nothing has used it since March") == []


def test_tables_that_are_made_here_are_free() -> None:
    """The running release does not know them."""
    made = migrations.CreateModel("Parcel", [("id", models.BigAutoField(primary_key=True))])
    added = migrations.AddField("parcel", "weight", models.IntegerField(default=0))
    assert _said(made, added, migrations.RemoveField("parcel", "weight")) == []


def test_later_migrations_are_judged_on_earlier_ones() -> None:
    """NULL was allowed a migration before: to forbid it again is refused, whatever the running release has."""
    allowed = _migration(migrations.AlterField("order", "name", models.CharField(max_length=20, null=True)))
    forbidden = _migration(migrations.AlterField("order", "name", models.CharField(max_length=20)))
    found = list(dangers(_state(), [allowed, forbidden]))
    assert [danger.reason for danger in found] == ["the running release may write NULL, which will be refused"]
