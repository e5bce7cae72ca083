"""What production calls outside, on this machine's side of a fleet's network: a payment provider and a mail server."""

import ipaddress
import json
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from rehearsal import Fleet
from tests.project.running import Project

PAYMENTS: Final = 8443
MAIL: Final = 8587


@dataclass(frozen=True)
class StandIns:
    """Where they are reached, and what the provider charged."""

    address: str
    ledger: Path

    @property
    def variables(self) -> dict[str, str]:
        """For the environment of the project's processes."""
        return {
            "SHOP_PAYMENT_URL": f"https://{self.address}:{PAYMENTS}",
            "EMAIL_HOST": self.address,
            "EMAIL_PORT": str(MAIL),
        }

    def charges(self) -> list[str]:
        """The Idempotency-Key of every charge, in their order."""
        lines = self.ledger.read_text(encoding="utf-8").splitlines() if self.ledger.exists() else []
        return [json.loads(line)["key"] for line in lines]


@contextmanager
def standing_in(fleet: Fleet, project: Project, authority: dict[str, Any], folder: Path) -> Iterator[StandIns]:
    """Both run until the end of the block; `authority`: certificate and key (PEM) that the hosts believe."""
    made = StandIns(fleet.network.controller, folder / "charges.jsonl")
    certificate, key = _issue(authority, made.address, folder)
    provider = ("-m", "shop.demo.provider", str(PAYMENTS), str(certificate), str(key), str(made.ledger))
    mail = ("-m", "rehearsal.mail", str(MAIL), str(certificate), str(key))
    with ExitStack() as stack:
        for arguments in (provider, mail):
            process = subprocess.Popen(fleet.command(str(project.python), *arguments), cwd=project.root)
            stack.callback(process.wait)
            stack.callback(process.kill)
        yield made


def _issue(authority: dict[str, Any], address: str, folder: Path) -> tuple[Path, Path]:
    """A certificate of an address, for a day, and its key: two files."""
    issuer = x509.load_pem_x509_certificate(authority["certificate"].encode())
    signer = serialization.load_pem_private_key(authority["key"].encode(), None)
    if not isinstance(signer, ec.EllipticCurvePrivateKey):
        raise TypeError("the authority's key is no elliptic one")
    own = ec.generate_private_key(ec.SECP256R1())
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "stand-in")]))
        .issuer_name(issuer.subject)
        .public_key(own.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))]), critical=False)
        # Python 3.13 demands it.
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
        .sign(signer, hashes.SHA256())
    )
    files = folder / "standin.pem", folder / "standin.key"
    files[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    plain = serialization.NoEncryption()
    files[1].write_bytes(own.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain))
    return files
