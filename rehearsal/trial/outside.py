"""What the project calls outside, on this machine's side of the fleet's network: its hosts have no way out."""

import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from rehearsal.fleet import Fleet
from rehearsal.shell import call

#: Of the mail server, and of the shop's payment provider, which is there for as long as the shop is.
MAIL: Final = 8587
PAYMENTS: Final = 8443
PROVIDER: Final = "shop/demo/provider.py"


@contextmanager
def standing_in(
    fleet: Fleet, root: Path, authority: Mapping[str, str], ledger: Path | None = None
) -> Iterator[dict[str, str]]:
    """Mail server and payment provider run until the end of the block; the variables that lead the project there.

    `root` is the project's folder, `authority` the certificate and the key (PEM) that the hosts believe; `ledger` gets
    a line of JSON for each charge.
    """
    address = fleet.network.controller
    with TemporaryDirectory() as folder, ExitStack() as stack:
        certificate = _issue(Path(folder), authority, address)
        found = {"EMAIL_HOST": address, "EMAIL_PORT": str(MAIL)}
        _start(stack, fleet, root, "rehearsal.mail", str(MAIL), *certificate)
        if (root / PROVIDER).exists():
            found["SHOP_PAYMENT_URL"] = f"https://{address}:{PAYMENTS}"
            kept = [str(ledger)] if ledger else []
            _start(stack, fleet, root, "shop.demo.provider", str(PAYMENTS), *certificate, *kept)
        yield found


def trusting(project: str) -> dict[str, str]:
    """The variables that have Python's clients believe the hosts' authority, which signs for the outside as well."""
    file = f"/etc/{project}/ca.pem"
    return {"REQUESTS_CA_BUNDLE": file, "SSL_CERT_FILE": file}


def _start(stack: ExitStack, fleet: Fleet, root: Path, module: str, *arguments: str) -> None:
    command: list[Any] = fleet.command(sys.executable, "-m", module, *arguments)
    process = subprocess.Popen(command, cwd=root, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    stack.callback(process.wait)
    stack.callback(process.kill)


def _issue(folder: Path, authority: Mapping[str, str], address: str) -> tuple[str, str]:
    """A certificate of an address, for a day, and its key: two files."""
    files = {name: folder / f"{name}.pem" for name in ("authority", "signer", "certificate", "key")}
    files["authority"].write_text(authority["certificate"], encoding="ascii")
    files["signer"].write_text(authority["key"], encoding="ascii")
    call(
        *("env", "OPENSSL_CONF=/dev/null"),  # what it holds by default differs from machine to machine
        *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc", "-days", "1"),
        *("-subj", "/CN=stand-in", "-addext", f"subjectAltName=IP:{address}", "-addext", "basicConstraints=CA:FALSE"),
        *("-addext", "subjectKeyIdentifier=hash", "-addext", "authorityKeyIdentifier=keyid"),  # Python 3.13 asks for it
        *("-CA", files["authority"], "-CAkey", files["signer"], "-keyout", files["key"], "-out", files["certificate"]),
    )
    return str(files["certificate"]), str(files["key"])
