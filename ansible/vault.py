"""Fill an environment's vault with secrets: what is missing is made, what is there stays as it is.

Run in the environment of `make ansible`: python ansible/vault.py environments/staging, with --renew NAME to make some
anew. The vault is group_vars/all/vault.yml, encrypted with the password in .vault-password, which is made with it. Only
names are printed.
"""

import argparse
import os
import secrets
import string
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

VAULT: Final = "group_vars/all/vault.yml"
PASSWORD: Final = ".vault-password"  # noqa: S105 - a file's name
#: What an encrypted file begins with.
ENCRYPTED: Final = b"$ANSIBLE_VAULT;"
#: Letters and digits: they stand in URLs and in files of RabbitMQ, Redis and PostgreSQL, some of which quote nothing.
ALPHABET: Final = string.ascii_letters + string.digits
#: Years. Whoever has the authority's key can answer for any host: it is renewed with the hosts, not by a timer.
AUTHORITY_YEARS: Final = 10

Tree = dict[str, Any]


class VaultError(Exception):
    """The vault can neither be read nor written; says what to do."""


def secret(length: int = 32) -> str:
    """A new secret: 32 letters and digits hold 190 bits."""
    return "".join(secrets.choice(ALPHABET) for _ in range(length))


def authority() -> Tree:
    """A private certificate authority: its certificate and its key, both PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.now(UTC)
    # Of two authorities of one name the wrong one might be looked at.
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"Private authority of {now:%Y-%m-%d %H:%M:%S}")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))  # a host's clock may be a little behind
        .not_valid_after(now + timedelta(days=365 * AUTHORITY_YEARS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_signs_only(), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return {
        "certificate": certificate.public_bytes(serialization.Encoding.PEM).decode(),
        "key": private.decode(),
    }


def _signs_only() -> x509.KeyUsage:
    uses = dict.fromkeys(
        (
            *("digital_signature", "content_commitment", "key_encipherment", "data_encipherment"),
            *("key_agreement", "encipher_only", "decipher_only"),
        ),
        False,
    )
    return x509.KeyUsage(key_cert_sign=True, crl_sign=True, **uses)


def _each(*names: str) -> Mapping[str, Callable[[], object]]:
    return dict.fromkeys(names, secret)


#: What a vault holds: by name, how it is made.
CONTENT: Final[Mapping[str, Any]] = {
    "secret_key": lambda: secret(64),
    "rabbitmq": {"cookie": secret, "passwords": _each("web", "worker", "relay", "monitoring", "deploy")},
    "redis": _each("application", "replication", "sentinel", "monitoring", "deploy"),
    "postgresql": _each("application", "replication"),
    "flower": {"password": secret, "cookie_secret": lambda: secret(64)},
    "email": {"password": str},  # yours; empty: the mail server wants none
    "shop": {"admin_password": secret, "api_token": lambda: secret(48), "payment_key": secret},
    "authority": authority,
}

#: Of these the old one is kept when they are renewed, until everybody knows the new one; under this name.
KEPT: Final = ("authority",)
BEFORE: Final = "_before"


def fill(held: Tree, content: Mapping[str, Any] = CONTENT, within: str = "") -> Iterator[str]:
    """Add to `held` what it lacks of `content`; the names of what was added."""
    for name, made in content.items():
        path = f"{within}{name}"
        if isinstance(made, Mapping):
            inner = held.setdefault(name, {})
            if not isinstance(inner, dict):
                raise VaultError(f"vault.{path} is one value; it holds: {', '.join(made)}")
            yield from fill(inner, made, f"{path}.")
        elif name not in held:
            held[name] = made()
            yield path


def drop(held: Tree, name: str) -> None:
    """Take out a secret, or all below a name: `rabbitmq.passwords.web`, `redis`."""
    *parents, last = name.split(".")
    place, known = held, _known(CONTENT)
    for part in parents:
        place, known = place.get(part, {}), _known(known.get(part))
    if last not in known:
        raise VaultError(f"--renew {name}: no such secret; there are: {', '.join(CONTENT)} and what is below them")
    if name in KEPT and name in held:
        held[f"{name}{BEFORE}"] = held[name]
    place.pop(last, None)


def forget(held: Tree, name: str) -> None:
    """Take out what was kept of a secret that was renewed: `authority_before`."""
    if name not in {f"{kept}{BEFORE}" for kept in KEPT}:
        raise VaultError(f"--forget {name}: only what was kept can be forgotten: {KEPT[0]}{BEFORE}")
    held.pop(name, None)


def _known(content: object) -> Mapping[str, Any]:
    return content if isinstance(content, Mapping) else {}


class Vault:
    """The vault of the environment in `folder`."""

    def __init__(self, folder: Path) -> None:
        """Nothing is read yet."""
        if not folder.is_dir():
            raise VaultError(f"there is no environment {folder}; name one of environments/: ENV=staging")
        self.file = folder / VAULT
        self.password = folder / PASSWORD

    def read(self) -> Tree:
        """The whole file, `vault` and whatever else its owner keeps there; also one that was never encrypted."""
        if not self.file.exists():
            return {}
        text = self.file.read_bytes()
        if text.startswith(ENCRYPTED):
            if not self.password.exists():
                raise VaultError(
                    f"{self.file} is encrypted, and {self.password} is not there: get it from whoever made the vault"
                )
            text = self._ansible_vault("view", str(self.file))
        content: Tree = yaml.safe_load(text) or {}
        return content

    def write(self, content: Tree) -> None:
        """Replace it as a whole, encrypted; it is never on the disk in plain text."""
        if not self.password.exists():
            _private(self.password, f"{secret(48)}\n".encode())
        plain = yaml.safe_dump(content, sort_keys=False, allow_unicode=True)
        encrypted = self._ansible_vault("encrypt", "--output=-", given=plain.encode())
        self.file.parent.mkdir(parents=True, exist_ok=True)
        new = self.file.with_suffix(".new")
        _private(new, encrypted)
        new.replace(self.file)

    @property
    def encrypted(self) -> bool:
        """Whether nobody can read the file without the password."""
        return self.file.exists() and self.file.read_bytes().startswith(ENCRYPTED)

    def _ansible_vault(self, *arguments: str, given: bytes = b"") -> bytes:
        program = Path(sys.executable).with_name("ansible-vault")
        command = [str(program), *arguments, f"--vault-password-file={self.password}"]
        done = subprocess.run(command, input=given, capture_output=True, check=False)
        if done.returncode:
            said = done.stderr.decode(errors="replace").strip()
            raise VaultError(f"{self.file} cannot be {arguments[0]}ed with {self.password}: {said}")
        return done.stdout


def _private(path: Path, content: bytes) -> None:
    """Write a file that only its owner reads."""
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)


def main(arguments: list[str]) -> int:
    """Fill the vault, and say what was made."""
    parser = argparse.ArgumentParser(description="Fill an environment's vault with the secrets that it lacks.")
    parser.add_argument("folder", type=Path, help="environments/staging, for one")
    parser.add_argument("--renew", nargs="+", default=[], metavar="NAME", help="make these anew: redis.application")
    parser.add_argument("--forget", nargs="+", default=[], metavar="NAME", help="drop what was kept: authority_before")
    options = parser.parse_args(arguments)
    try:
        vault = Vault(options.folder)
        content = vault.read()
        held = content.setdefault("vault", {})
        for name in options.renew:
            drop(held, name)
        for name in options.forget:
            forget(held, name)
        made = list(fill(held))
        if made or options.forget or not vault.encrypted:
            vault.write(content)
    except VaultError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    said = f"made {', '.join(made)}" if made else "nothing is missing"
    sys.stdout.write(f"{vault.file}: {said}\n")
    if made and not options.renew:
        sys.stdout.write(f"Keep {vault.password} where you keep passwords: without it the vault cannot be read.\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
