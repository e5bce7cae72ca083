"""A project's secrets on a host: one file a variable, for root alone; what is no longer named is gone."""

from pathlib import Path
from typing import Any

import pytest

from tests.playbooks.local import told

ALL = {"SECRET_KEY": "one", "BROKER_URL": "two", "EMAIL_PASSWORD": ""}


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Both stores, with secrets of another project and one that this project had."""
    for name in ("credstore", "credstore.encrypted"):
        (tmp_path / name).mkdir(mode=0o700)
        (tmp_path / name / "other.all.SECRET_KEY").write_text("not ours")
        (tmp_path / name / "shop.worker.OLD").write_text("old")
    return tmp_path / "credstore"


def placed(store: Path, credentials: dict[str, Any], *options: str) -> dict[str, Any]:
    """What the module says."""
    arguments = {"project": "shop", "credentials": credentials, "root": str(store.parent)}
    return told(store.parent, "credentials", arguments, *options)


def test_files_are_what_is_named(store: Path) -> None:
    """Empty ones are left out, old ones removed from both stores, those of others stay."""
    said = placed(store, {"all": ALL, "worker": {"BROKER_URL": "three"}})
    assert said["written"] == ["shop.all.BROKER_URL", "shop.all.SECRET_KEY", "shop.worker.BROKER_URL"]
    assert sorted(path.name for path in store.iterdir()) == ["other.all.SECRET_KEY", *said["written"]]
    assert [path.name for path in store.with_name("credstore.encrypted").iterdir()] == ["other.all.SECRET_KEY"]
    written = store / "shop.worker.BROKER_URL"
    assert (written.read_text(), written.stat().st_mode & 0o777) == ("three", 0o600)


def test_a_second_time_nothing_is_touched(store: Path) -> None:
    """The age of a file tells when the secret was changed; one that others could read is written anew."""
    placed(store, {"all": ALL})
    ages = {path: path.stat().st_mtime_ns for path in store.iterdir()}
    assert not placed(store, {"all": ALL})["changed"]
    (store / "shop.all.SECRET_KEY").chmod(0o644)
    assert placed(store, {"all": ALL})["written"] == ["shop.all.SECRET_KEY"]
    changed = [path.name for path, age in ages.items() if path.stat().st_mtime_ns != age]
    assert changed == ["shop.all.SECRET_KEY"]


def test_a_dry_run_names_files_and_no_values(store: Path) -> None:
    """And changes nothing."""
    said = placed(store, {"all": {"SECRET_KEY": "never-to-be-seen"}}, "--check", "--diff")
    assert said["changed"]
    assert "never-to-be-seen" not in str(said)
    assert "written shop.all.SECRET_KEY" in said["diff"]["after"]
    assert (store / "shop.worker.OLD").exists()


def test_a_host_that_leaves_keeps_none(store: Path) -> None:
    """scale.yml takes them away."""
    placed(store, {"all": ALL})
    placed(store, {})
    assert [path.name for path in store.iterdir()] == ["other.all.SECRET_KEY"]
