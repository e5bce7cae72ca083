"""A release on its way from a commit to the hosts: ../README.md."""

import re
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import pytest

testinfra_hosts = ["ansible://web", "ansible://beat", "ansible://workers_*"]

Variables = Mapping[str, Any]


@pytest.fixture(scope="module")
def links(ask: Callable[..., str], variables: Variables) -> dict[str, str]:
    """What `current` and `previous` point to; the host has had one release only where there is no `previous`."""
    home = variables["project_home"]
    lines = ask("cd %s && find . -maxdepth 1 -type l -printf '%%f %%l\n'", home).splitlines()
    return dict(line.split(" ", 1) for line in lines)


@pytest.fixture(scope="module")
def releases(ask: Callable[..., str], variables: Variables) -> list[str]:
    """Those that are on the host."""
    return ask(
        "find %s -mindepth 1 -maxdepth 1 -type d -name '[!.]*' -printf '%%f\n'", f"{variables['project_home']}/releases"
    ).split()


def test_links_point_to_releases(links: dict[str, str], releases: list[str]) -> None:
    """To whole ones: what is unpacked gets its name at last."""
    assert "current" in links, "there is no current release"
    told = [f"{name} -> {to}" for name, to in links.items() if to not in {f"releases/{each}" for each in releases}]
    assert not told, f"no release: {', '.join(told)}"


def test_all_hosts_have_the_same(
    links: dict[str, str], ask_all: Callable[..., dict[str, str]], variables: Variables
) -> None:
    """A roll that was cut short is continued by the next one."""
    groups = variables["groups"]
    names = {
        name for group in groups if group in ("web", "beat") or group.startswith("workers_") for name in groups[group]
    }
    said = ask_all(dict.fromkeys(sorted(names), f"readlink {variables['project_current']}"))
    [(most, _)] = Counter(to.strip() for to in said.values()).most_common(1)
    assert links.get("current") == most, f"it has {links.get('current')}, and most hosts have {most}"


def test_old_ones_go(links: dict[str, str], releases: list[str], variables: Variables) -> None:
    """As many stay as are kept for a way back, and those that the links name."""
    newest = sorted(releases)[-variables["release_keep"] :]
    named = {to.removeprefix("releases/") for to in links.values()}
    more = sorted(set(releases) - {*newest, *named})
    assert not more, f"{variables['release_keep']} are kept, and there are {', '.join(more)} as well"


def test_services_cannot_write_there(ask: Callable[..., str], variables: Variables) -> None:
    """Code and packages are root's."""
    folder = f"{variables['project_home']}/releases"
    found = ask(r"find %s \( -not -user root -o -not -type l -perm /022 \) -print | head -3", folder).split()
    assert not found, f"somebody else than root may write to {', '.join(found)}"


def test_nothing_is_left_to_do(ask: Callable[..., str], links: dict[str, str], variables: Variables) -> None:
    """Units are as the release writes them; services run it, with environment and secrets that lie there now."""
    folder, name = f"{variables['project_home']}/{links['current']}", links["current"].removeprefix("releases/")
    asked = "cd %s && timeout 60 .venv/bin/python -B -m workers release activate %s --services %s --check"
    said = ask(asked, folder, name, ",".join(variables["project_services"]))
    steps = [re.sub(r"^ *[\d.]+ s +", "", line) for line in said.splitlines()]
    assert "nothing to do" in said, f"a deploy would do this: {'; '.join(steps)}"
