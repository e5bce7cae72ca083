"""`workers inventory`: whether the hosts of an environment can carry what workers.yml asks of them."""

from dataclasses import replace
from pathlib import Path
from typing import Final, TextIO

import click
from pydantic import ValidationError

from workers.commands.output import refuse, stdout
from workers.inventory.model import Inventory
from workers.inventory.places import places
from workers.inventory.rules import check as problems_of
from workers.topology import TopologyError, load
from workers.topology.problems import Place

#: Beside an inventory, what its owner sets.
VARIABLES: Final = "group_vars/all/main.yml"


@click.group()
def inventory() -> None:
    """Hold an inventory's hosts against workers.yml, before anything is done to them."""


@inventory.command()
@click.option("--environment", "-e", required=True, help="Whose sizes hold.")
@click.argument("file", type=click.File(encoding="utf-8"), default="-")
def check(environment: str, file: TextIO) -> None:
    """Refuse hosts that do not fit, all reasons at once.

    FILE (or standard input) is what ansible/preflight.yml has found out: run `make preflight ENV=NAME`.
    """
    topology = load(environment=environment).topology
    try:
        found = Inventory.model_validate_json(file.read())
    except ValidationError as error:
        refuse([f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors()])
    if problems := problems_of(found, topology, environment):
        variables = f"{Path(found.file).parent}/{VARIABLES}"
        known = {**places(variables), **places(found.file)}
        raise TopologyError(replace(each, place=known.get(str(each.path[0]), Place(found.file))) for each in problems)
    hosts, groups = len(found.hosts), len(topology.groups)
    stdout.print(f"[green]{found.file} is sound[/]: {hosts} hosts for {groups} worker groups, web, beat and brokers.")
