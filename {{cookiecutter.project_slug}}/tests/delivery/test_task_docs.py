"""docs/tasks.md: what it shows works, and what it names is there."""

import ast
import re
from importlib import import_module

import pytest

from config.env import BASE_DIR
from workers.delivery.base import Task

TEXT = (BASE_DIR / "docs" / "tasks.md").read_text(encoding="utf-8")
SAMPLES = [ast.parse(code) for code in re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)]


@pytest.mark.parametrize("sample", SAMPLES, ids=range(len(SAMPLES)))
def test_samples_import_what_there_is(sample: ast.Module) -> None:
    """A name that was changed is changed there, too."""
    for node in ast.walk(sample):
        if isinstance(node, ast.ImportFrom):
            assert node.module
            if node.module.startswith("shop"):
                continue  # a project without the shop keeps the page
            module = import_module(node.module)
            assert [alias.name for alias in node.names if not hasattr(module, alias.name)] == []


def test_options_are_options() -> None:
    """Those of the first table, and those that a sample gives to a task."""
    table = TEXT.partition("| if |")[2].partition("\n\n")[0]
    named = {*re.findall(r"`(\w+)`", table)} - {"checkpoint"}
    given = {
        word.arg
        for sample in SAMPLES
        for node in ast.walk(sample)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "shared_task"
        for word in node.keywords
    }
    assert {name for name in named | given if name and name != "base" and not hasattr(Task, name)} == set()
