"""`workers docs`: prints the schema and the tuning guide from the model."""

import click

from workers.commands.output import refuse, stdout
from workers.derive.documents import documents
from workers.topology.load import ROOT


@click.command()
@click.option("--check", is_flag=True, help="Write nothing; exit 1 where a file differs from the model.")
def docs(*, check: bool) -> None:
    """Print schema and tuning guide from the model.

    Writes workers.schema.json and docs/tuning.md.
    """
    stale = [name for name, text in documents().items() if _read(name) != text]
    if check and stale:
        refuse([f"{name} differs from the model; run `python -m workers docs`" for name in stale])
    for name in stale:
        (ROOT / name).write_text(documents()[name], encoding="utf-8")
        stdout.print(f"written: {name}")


def _read(name: str) -> str:
    file = ROOT / name
    return file.read_text(encoding="utf-8") if file.exists() else ""
