"""Whether a release that still runs can live with the migrations of the next one: expand first, contract later.

While a roll is under way, and after a rollback, the old code works on the new tables. So a migration may add what old
code does not see, and must not take away, rename or demand what it does not know of.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from django.db import models
from django.db.migrations import Migration, operations
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState

#: A migration's own word that the running release can live with it: a sentence why.
ACCEPTED: Final = "compatible"


@dataclass(frozen=True)
class Danger:
    """What the running release could not live with."""

    migration: str
    operation: str
    reason: str
    cure: str

    def __str__(self) -> str:
        """One line: where, what, why, what to do."""
        return f"{self.migration}: {self.operation}: {self.reason}; {self.cure}"


_LATER: Final = "let a release go out that no longer uses it, then migrate with the next one"
_RENAME: Final = "add the new one, fill it, use it, and remove the old one in a later release"


def unapplied(executor: MigrationExecutor) -> list[Migration]:
    """What `migrate` would apply, in its order."""
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    return [migration for migration, backwards in plan if not backwards]


def applied(executor: MigrationExecutor) -> ProjectState:
    """The models as the running release has them: what the database's migrations come to."""
    loader = executor.loader
    return loader.project_state([key for key in loader.applied_migrations if key in loader.graph.nodes])


def dangers(state: ProjectState, migrations: list[Migration]) -> Iterator[Danger]:
    """What is dangerous in `migrations`, unless they say that it is not. Tables that they make themselves are free."""
    made: set[tuple[str, str]] = set()
    for migration in migrations:
        accepted = bool(getattr(migration, ACCEPTED, ""))
        name = f"{migration.app_label}.{migration.name}"
        for operation in migration.operations:
            found = None if accepted else _judged(operation, migration.app_label, state, made)
            if found:
                yield Danger(name, operation.describe(), *found)
            if isinstance(operation, operations.CreateModel):
                made.add((migration.app_label, operation.name_lower))
            operation.state_forwards(migration.app_label, state)


def _judged(operation: Operation, app: str, state: ProjectState, made: set[tuple[str, str]]) -> tuple[str, str] | None:
    """Reason and cure, None where it does no harm."""
    model = getattr(operation, "model_name_lower", None) or getattr(operation, "name_lower", None)
    if (app, model) in made and not isinstance(operation, operations.RunSQL):
        return None
    for kind, judge in _JUDGES.items():
        if type(operation) is kind:
            return judge(operation, app, state)
    return None


def _gone(operation: Any, _app: str, _state: ProjectState) -> tuple[str, str]:
    what = "column" if isinstance(operation, operations.RemoveField) else "table"
    return f"the running release still reads and writes that {what}", _LATER


def _renamed(*_: Any) -> tuple[str, str]:
    return "the running release knows the old name only", _RENAME


def _added(operation: Any, _app: str, _state: ProjectState) -> tuple[str, str] | None:
    field = operation.field
    free = field.null or field.many_to_many or field.has_db_default() or isinstance(field, models.AutoField)
    if free:
        return None
    reason = "the running release inserts rows without it, and the column takes no NULL"
    return reason, "give it db_default=, or null=True until the next release"


def _altered(operation: Any, app: str, state: ProjectState) -> tuple[str, str] | None:
    old, new = state.models[app, operation.model_name_lower].fields[operation.name], operation.field
    if old.null and not new.null and not new.has_db_default():
        return "the running release may write NULL, which will be refused", "fill it now, forbid NULL a release later"
    if _type(old) != _type(new):
        return f"the running release writes {_type(old)}, and it becomes {_type(new)}", _RENAME
    if new.unique and not old.unique:
        return "the running release may write a value twice, which will be refused", "make it unique a release later"
    return None


def _type(field: Any) -> str:
    """The kind of column, without a length that only grows: that is checked by the database."""
    return str(getattr(field, "get_internal_type", lambda: "?")())


def _constrained(*_: Any) -> tuple[str, str]:
    return "the running release may write rows that it refuses", "let a release go out that keeps it, then add it"


def _unknown(*_: Any) -> tuple[str, str]:
    return "nobody but you can read what that does", f'if the running release can live with it: {ACCEPTED} = "why"'


_JUDGES: Final[dict[type[Operation], Callable[[Any, str, ProjectState], tuple[str, str] | None]]] = {
    operations.DeleteModel: _gone,
    operations.RemoveField: _gone,
    operations.RenameModel: _renamed,
    operations.RenameField: _renamed,
    operations.AlterModelTable: _renamed,
    operations.AddField: _added,
    operations.AlterField: _altered,
    operations.AddConstraint: _constrained,
    operations.AlterUniqueTogether: _constrained,
    operations.RunSQL: _unknown,
    operations.SeparateDatabaseAndState: _unknown,
}
