"""How this machine's apt gets its packages: while layers are built, its mirror and its proxy serve them as well."""

import os
import re
import subprocess
from typing import Final

#: Names another mirror of Debian than this machine's apt does.
VARIABLE: Final = "REHEARSAL_MIRROR"

#: What of apt's configuration says how to reach a mirror. Not copied: what to download, where to keep it, what to run.
_COPIED: Final = re.compile(r"Acquire::((https?|ftp|tor)(::.*)?|Retries|Queue-Mode|Check-Valid-Until|Check-Date) ")

#: Dropped from every layer: the greater part of what would be unpacked.
_EXCLUDED: Final = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*", "/usr/share/info/*")

_OWN: Final = """\
APT::Install-Recommends "false";
Acquire::Languages "none";
Acquire::https::CAInfo "/run/build/ca.crt";
Dir::Etc::sourcelist "/run/build/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::netrc "/run/build/etc-apt/auth.conf";
Dir::Etc::netrcparts "/run/build/etc-apt/auth.conf.d";
Dir::Cache::pkgcache "";
Dir::Cache::srcpkgcache "";
Dpkg::Options:: "--force-unsafe-io";
"""


def mirror() -> str:
    """The mirror of Debian that this machine's apt uses; empty where it uses none, as on Ubuntu."""
    if named := os.environ.get(VARIABLE):
        return named
    listed = _apt("apt-get", "indextargets", "--format", "$(ORIGIN) $(REPO_URI)")
    # A security mirror holds updates only; the archive itself is what a host can be made of.
    uris = [uri for origin, _, uri in (line.partition(" ") for line in listed.splitlines()) if origin == "Debian"]
    return next((uri.rstrip("/") for uri in uris if not uri.rstrip("/").endswith("-security")), "")


def apt_conf() -> str:
    """The configuration of apt for a build: this machine's ways, no translations, nothing only to be read."""
    copied = [line for line in _apt("apt-config", "dump").splitlines() if _COPIED.match(line)]
    excluded = [f'Dpkg::Options:: "--path-exclude={path}";' for path in _EXCLUDED]
    return "\n".join([*copied, _OWN, *excluded, ""])


def environment() -> dict[str, str]:
    """Variables for debootstrap, whose wget does not know apt's proxies."""
    found = dict(re.findall(r'Acquire::(https?)::Proxy "([^"]+)";', _apt("apt-config", "dump")))
    return {f"{scheme}_proxy": proxy for scheme, proxy in found.items() if proxy != "DIRECT"}


def _apt(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60).stdout
