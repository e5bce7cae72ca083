"""Layers are built once, whole or not at all, and hold what their packages are made of: nothing of this machine's."""

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from rehearsal import RehearsalError
from rehearsal.build import build
from rehearsal.catalogue import Catalogue
from rehearsal.fixtures import Fleets
from rehearsal.inventory import Inventory
from rehearsal.layers import Layer, layer_of
from rehearsal.mirror import apt_conf, environment, mirror
from rehearsal.paths import CACHE
from rehearsal.watch import unwatched
from tests.rehearsal.hosts import PATIENCE, inventory_of
from tests.rehearsal.programs import ENVIRONMENT, ROOT
from tests.waiting import until

#: A small package with a service in it, and one without.
CATALOGUE = replace(Catalogue.read(), layers={"rt-cron": ("cron",), "rt-more": ("hello",)})

BUILD = """\
import sys
from dataclasses import replace
from rehearsal.build import build
from rehearsal.catalogue import Catalogue
from rehearsal.layers import layer_of
from rehearsal.watch import unwatched
catalogue = replace(Catalogue.read(), layers={"rt-cron": ("cron",), "rt-more": ("hello",)})
build([layer_of((sys.argv[1],), catalogue)], catalogue, unwatched)
"""


@pytest.fixture(scope="module")
def base(fleets: Fleets, tmp_path_factory: pytest.TempPathFactory) -> Layer:
    """The base, built."""
    with fleets("rt-base", inventory_of(tmp_path_factory.mktemp("base"), a="10.0.0.1")):
        return layer_of((), CATALOGUE)


@pytest.fixture(scope="module")
def cron_and_more(base: Layer) -> Iterator[tuple[Layer, Layer]]:
    """A layer, and another upon it; asked for by two at once."""
    del base
    cron, more = layer_of(("rt-cron",), CATALOGUE), layer_of(("rt-cron", "rt-more"), CATALOGUE)
    forget(cron, more)
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda layer: build([layer], CATALOGUE, unwatched), [cron, more]))
    yield cron, more
    forget(cron, more)


def forget(*layers: Layer) -> None:
    """Take layers out of the cache."""
    for layer in layers:
        if layer.path.exists():
            shutil.rmtree(layer.path)


def test_a_killed_build_leaves_nothing_and_the_next_one_is_whole(base: Layer) -> None:
    """SIGKILL while a mirror keeps it waiting: no layer, no process; then two builders at once make it once."""
    layer = layer_of(("rt-more",), CATALOGUE)
    assert layer.below == base
    forget(layer)
    with no_more_lists(), socket.create_server(("127.0.0.1", 0)) as silent:
        mirror_of_nothing = f"http://127.0.0.1:{silent.getsockname()[1]}/debian"
        with building("rt-more", REHEARSAL_MIRROR=mirror_of_nothing) as killed:
            silent.settimeout(PATIENCE)
            with silent.accept()[0]:
                os.kill(killed.pid, signal.SIGKILL)
                until(lambda: processes(layer) == [], "the build's last process to go")
    assert not layer.path.exists()
    with building("rt-more") as one, building("rt-more") as other:
        assert [builder.wait(120) for builder in (one, other)] == [0, 0]
    assert (layer.path / "usr/bin/hello").is_file()
    assert not (CACHE / "building" / layer.name).exists()
    forget(layer)


@contextmanager
def no_more_lists() -> Iterator[None]:
    """Take away the lists that apt began for a mirror that was never one."""
    lists = set((CACHE / "building").glob("lists-*"))
    try:
        yield
    finally:
        for path in set((CACHE / "building").glob("lists-*")) - lists:
            (shutil.rmtree if path.is_dir() else os.unlink)(path)


def building(name: str, **variables: str) -> subprocess.Popen[bytes]:
    """Another process that builds a layer."""
    return subprocess.Popen([sys.executable, "-c", BUILD, name], cwd=ROOT, env=ENVIRONMENT | variables)


def processes(layer: Layer) -> list[str]:
    """Every process of its build, by what all of them inherit."""
    found = []
    for file in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):  # it has ended meanwhile
            if f"WORK={CACHE / 'building' / layer.name}\0".encode() in file.read_bytes():
                found.append(file.parent.name)
    return found


def test_a_layer_holds_its_packages_and_nothing_of_this_machine(cron_and_more: tuple[Layer, Layer]) -> None:
    """No mirror, proxy or name server of this machine's, no lists, no documentation; services are not enabled."""
    cron, more = cron_and_more
    files = {str(path.relative_to(cron.path)) for path in cron.path.rglob("*") if not path.is_dir()}
    assert "usr/lib/systemd/system/cron.service" in files
    unwanted = (
        *("etc/apt", "etc/resolv.conf", "etc/hosts", "etc/systemd/system/multi-user.target.wants", "run/"),
        *("usr/sbin/policy-rc.d", "usr/share/doc", "var/cache/apt", "var/lib/apt/lists", "var/log"),
    )
    assert [path for path in files if path.startswith(unwanted)] == []
    [base] = cron.stack[1:]
    assert (base.path / "etc/apt/sources.list").read_text(encoding="utf-8") == ""
    if found := mirror():
        folders = [base.path / "etc", cron.path, more.path]
        assert subprocess.run(["grep", "-rqF", found, *folders], check=False).returncode == 1


def test_a_layer_upon_another_holds_only_what_differs(cron_and_more: tuple[Layer, Layer]) -> None:
    """What lies below is neither built again nor copied, but known: one list of packages for the whole host."""
    cron, more = cron_and_more
    assert more.stack[1] == cron
    assert (more.path / "usr/bin/hello").exists()
    assert not (more.path / "usr/sbin/cron").exists()
    status = (more.path / "var/lib/dpkg/status").read_text(encoding="utf-8")
    assert {"Package: hello", "Package: cron", "Package: systemd"} <= set(status.splitlines())


def test_the_name_of_a_layer_follows_from_what_it_is_made_of(tmp_path: Path) -> None:
    """The same is the same, in whatever order it was asked for; anything else below, within or beside is another."""
    (tmp_path / "file").write_text("one", encoding="utf-8")
    names = ("rt-cron", "rt-more", str(tmp_path))
    name = layer_of(names, CATALOGUE).name
    assert layer_of(names, CATALOGUE).name == name
    more_in_base = replace(CATALOGUE, base=(*CATALOGUE.base, "tree"))
    other_package = replace(CATALOGUE, layers={"rt-cron": ("cron",), "rt-more": ("tree",)})
    others = {layer_of(names, each).name for each in (more_in_base, other_package)}
    others.add(layer_of(names[1:], CATALOGUE).name)
    (tmp_path / "file").write_text("two", encoding="utf-8")
    others.add(layer_of(names, CATALOGUE).name)
    (tmp_path / "file").chmod(0o600)
    others.add(layer_of(names, CATALOGUE).name)
    assert len(others - {name}) == 5


def test_a_folder_of_this_machine_becomes_part_of_a_host(fleets: Fleets, tmp_path: Path) -> None:
    """Modes and links as they are, above the packages; what the host changes stays in the host."""
    folder = tmp_path / "extra"
    (folder / "opt").mkdir(parents=True)
    (folder / "opt" / "tool").write_text("#!/bin/sh\necho tool\n", encoding="utf-8")
    (folder / "opt" / "tool").chmod(0o755)
    (folder / "opt" / "link").symlink_to("tool")
    file = tmp_path / "inventory.yml"
    file.write_text("g: {hosts: {a: {ansible_host: 10.0.0.1, rehearsal_layers: [./extra]}}}", encoding="utf-8")
    with fleets("rt-folder", Inventory.read(file)) as fleet:
        assert fleet["a"].run("/opt/link").stdout == "tool\n"
        assert fleet["a"].run("stat", "--format=%U", "/opt").stdout == "root\n"
        fleet["a"].write("/opt/tool", "changed")
    assert (folder / "opt" / "tool").read_text(encoding="utf-8") == "#!/bin/sh\necho tool\n"
    forget(layer_of((str(folder),), Catalogue.read()))


def test_a_package_that_is_not_there_fails_with_apts_own_words(base: Layer) -> None:
    """The end of apt's output, and where the rest is; nothing half-built stays."""
    wrong = replace(CATALOGUE, layers={"rt-wrong": ("no-such-package",)})
    bad = layer_of(("rt-wrong",), wrong)
    assert bad.below == base
    with pytest.raises(RehearsalError) as raised:
        build([bad], wrong, unwatched)
    log = CACHE / "building" / f"{bad.name}.log"
    first, *_, last = str(raised.value).splitlines()
    assert first == f"layer rt-wrong could not be built; the end of {log}:"
    assert last == "  E: Unable to locate package no-such-package"
    assert not bad.path.exists()
    assert not (CACHE / "building" / bad.name).exists()
    log.unlink()


def test_this_machines_ways_to_a_mirror_are_taken_along(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Proxies, time-outs and the like are copied from apt's configuration; what to run and where to keep it is not."""
    file = tmp_path / "apt.conf"
    file.write_text(
        'Acquire::http::Proxy "http://proxy.example:3142"; Acquire::Retries "7"; Dir::Cache "/elsewhere"; '
        'DPkg::Post-Invoke { "false"; };',
        encoding="utf-8",
    )
    monkeypatch.setenv("APT_CONFIG", str(file))
    lines = apt_conf().splitlines()
    assert 'Acquire::http::Proxy "http://proxy.example:3142";' in lines
    assert 'Acquire::Retries "7";' in lines
    assert [line for line in lines if "elsewhere" in line or "Post-Invoke" in line] == []
    assert environment() == {"http_proxy": "http://proxy.example:3142"}
    monkeypatch.setenv("REHEARSAL_MIRROR", "http://mirror.example/debian")
    assert mirror() == "http://mirror.example/debian"


def test_a_repository_is_downloaded_and_not_installed(base: Layer) -> None:
    """Packages, an index of them, and what apt would have read from a mirror; nothing of this machine's own mirror."""
    catalogue = replace(CATALOGUE, layers={"rt-bare": ("hello",)}, repositories=frozenset({"rt-bare"}))
    layer = layer_of(("rt-bare",), catalogue)
    assert layer.below == base
    assert layer.name != layer_of(("rt-bare",), replace(catalogue, repositories=frozenset())).name
    build([layer], catalogue, unwatched)
    files = {str(path.relative_to(layer.path)) for path in layer.path.rglob("*") if path.is_file()}
    [package] = [path for path in files if path.endswith(".deb")]
    assert package.startswith("opt/repository/hello_")
    index = (layer.path / "opt/repository/Packages").read_text(encoding="utf-8").splitlines()
    assert {"Package: hello", f"Filename: ./{Path(package).name}"} <= set(index)
    assert [path for path in files if path.startswith("var/lib/apt/lists/") and path.endswith("_Packages")] != []
    assert "usr/bin/hello" not in files
    assert "Package: hello" not in (base.path / "var/lib/dpkg/status").read_text(encoding="utf-8").splitlines()
    assert "var/lib/dpkg/status" not in files
    if found := mirror():
        assert subprocess.run(["grep", "-rqF", found, layer.path], check=False).returncode == 1
    forget(layer)
