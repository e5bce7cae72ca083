"""Builds the layers that are missing: whole or not at all, once, however many processes ask for it."""

import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from fcntl import LOCK_EX, flock
from pathlib import Path
from typing import Final

from rehearsal.catalogue import Catalogue
from rehearsal.errors import RehearsalError
from rehearsal.layers import Layer
from rehearsal.mirror import apt_conf, environment, mirror
from rehearsal.paths import CACHE, PACKAGE
from rehearsal.shell import call, tail
from rehearsal.watch import Watch

#: Seconds for one layer, with a slow mirror.
TIMEOUT: Final = 1800
#: In namespaces of its own, and bound to this process: if it is killed, nothing goes on building.
_BOUND: Final = (
    *("setpriv", "--pdeathsig", "KILL"),
    *("unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"),
)
#: What Debian signs its archive with; debootstrap and apt check it.
KEYRING: Final = Path("/usr/share/keyrings/debian-archive-keyring.gpg")


def build(layers: Iterable[Layer], catalogue: Catalogue, watch: Watch) -> None:
    """Build what is missing of `layers` and of all below them: side by side where one does not lie upon the other.

    Raises RehearsalError with the end of the log of the first build that failed.
    """
    wanted = {each.name: each for layer in layers for each in reversed(layer.stack) if not each.path.is_dir()}
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        building: dict[str, Future[None]] = {}
        for layer in wanted.values():  # what lies below comes first, so that no thread waits for one that has none
            below = building.get(layer.below.name) if layer.below else None
            building[layer.name] = pool.submit(_build, layer, catalogue, watch, below)
    for each in building.values():
        each.result()


def _build(layer: Layer, catalogue: Catalogue, watch: Watch, below: Future[None] | None) -> None:
    if below:
        below.result()
    work = CACHE / "building" / layer.name
    work.parent.mkdir(parents=True, exist_ok=True)
    with work.with_name(f"{layer.name}.lock").open("w") as lock, watch(f"layer {layer.label}: {_said(layer)}"):
        flock(lock, LOCK_EX)  # another process may be at it
        if layer.path.is_dir():
            return
        if work.exists():  # left by one that was killed
            shutil.rmtree(work)
        work.mkdir()
        try:
            _fill(layer, catalogue, work)
            layer.path.parent.mkdir(exist_ok=True)
            call("sync", "--file-system", work, timeout=TIMEOUT)  # or a crash of the machine could leave empty files
            (work / "upper").rename(layer.path)
        finally:
            shutil.rmtree(work)


def _said(layer: Layer) -> str:
    if layer.folder:
        return f"a copy of {layer.folder}"
    return ", ".join(layer.packages) if layer.recipe == "packages" else f"{len(layer.packages)} packages"


def _fill(layer: Layer, catalogue: Catalogue, work: Path) -> None:
    if layer.folder:
        shutil.copytree(layer.folder, work / "upper", symlinks=True)
        (work / "upper").chmod(0o755)  # it becomes the root of hosts, whoever may look into the folder here
        return
    (work / "apt.conf").write_text(apt_conf(), encoding="utf-8")
    log = CACHE / "building" / f"{layer.name}.log"
    try:
        with log.open("w") as output:
            subprocess.run(
                [*_BOUND, "sh", str(PACKAGE / "build.sh"), layer.recipe],
                cwd=layer.path.parent if layer.below else work,
                env=os.environ | environment() | _variables(layer, catalogue, work),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                umask=0o022,  # a stricter one of root's would lock everybody out of the hosts' own programs
                check=True,
                timeout=TIMEOUT,
            )
    except subprocess.SubprocessError:  # a failure, or no end
        end = tail(log.read_text(encoding="utf-8", errors="replace"))
        raise RehearsalError(f"layer {layer.label} could not be built; the end of {log}:\n{end}") from None
    log.unlink()


def _variables(layer: Layer, catalogue: Catalogue, work: Path) -> dict[str, str]:
    found = mirror()
    lists = CACHE / "building" / f"lists-{hashlib.sha256(f'{catalogue.release} {found}'.encode()).hexdigest()[:8]}"
    sources = work / "sources.list" if found else lists.with_name(f"{lists.name}.sources")
    if found:
        sources.write_text(f"deb {found} {catalogue.release} main\n", encoding="utf-8")
    return {
        "WORK": str(work),
        "LOWER": layer.below.lower if layer.below else "",
        "RELEASE": catalogue.release,
        "PACKAGES": " ".join(layer.packages),
        "MIRROR": found,
        "KEYRING": str(KEYRING),
        "LISTS": str(lists),
        "APT": str(work / "apt.conf"),
        "SOURCES": str(sources),
    }
