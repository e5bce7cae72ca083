"""The project's locked packages as a layer of hosts, for the Python of Debian 13."""

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from tests.project.running import Project
from tests.template.rendering import ROOT

#: Where units find them.
FOLDER: Final = "/srv/site"
#: Of the hosts' Python, which need not be this machine's.
VERSION: Final = "3.13"
#: Packages of the example tasks: no test on hosts imports them, and they are most of the bytes.
NOT_NEEDED: Final = ("numpy*", "scipy*", "sklearn*", "scikit_learn*", "joblib*", "PIL", "pillow*")


def layer(project: Project, *, numpy: bool = False) -> Path:
    """A folder to name in `rehearsal_layers`. Made once for each lock; the first time takes a minute.

    `numpy`: with that one of the packages that example tasks need.
    """
    lock = project.root / "requirements/base.txt"
    kind = "numpy" if numpy else "site"
    folder = ROOT / f"build/brokers/{kind}-{hashlib.sha256(lock.read_bytes()).hexdigest()[:12]}"
    if folder.exists():
        return folder
    new = folder.with_suffix(".new")
    shutil.rmtree(new, ignore_errors=True)
    site = new / FOLDER.lstrip("/")
    uv = Path(sys.executable).with_name("uv")
    target = ("--target", site, "--python-version", VERSION, "--only-binary", ":all:", "--no-deps")
    subprocess.run([uv, "pip", "install", "--quiet", *target, "--require-hashes", "-r", lock], check=True, timeout=600)
    for pattern in NOT_NEEDED[int(numpy) :]:
        for needless in site.glob(pattern):
            shutil.rmtree(needless) if needless.is_dir() else needless.unlink()
    return new.rename(folder)
