"""Certificates as the role `certificates` describes them, by an authority of this run's own; and every wrong kind."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import trustme

from tests.brokers.roles import File, Role


@dataclass(frozen=True)
class Certificate:
    """What a server shows, and the key it proves that with: both PEM."""

    certificate: str
    key: str


@dataclass(frozen=True)
class Authority:
    """A private certificate authority. A second one is the wrong one: nobody has heard of it."""

    _authority: trustme.CA = field(default_factory=trustme.CA)

    @property
    def pem(self) -> str:
        """What a client must know to verify this authority's certificates."""
        return self._authority.cert_pem.bytes().decode()

    def issue(self, *names: str) -> Certificate:
        """A certificate for host names and addresses."""
        return self._issued(names, self._days(397))

    def expired(self, *names: str) -> Certificate:
        """One that was valid until yesterday."""
        return self._issued(names, self._days(-1))

    def _issued(self, names: tuple[str, ...], not_after: datetime) -> Certificate:
        # Backdated: a host whose clock is a little behind must not refuse a new one.
        leaf = self._authority.issue_cert(*names, not_before=self._days(-30), not_after=not_after)
        chain = "".join(part.bytes().decode() for part in leaf.cert_chain_pems)
        return Certificate(chain, leaf.private_key_pem.bytes().decode())

    @staticmethod
    def _days(days: int) -> datetime:
        return datetime.now(UTC) + timedelta(days=days)


def _described(host: Mapping[str, Any]) -> dict[str, Any]:
    """The role's values for a host. Who signs there is this run's own authority, not one of a vault."""
    return Role("certificates").variables({"certificates_authority": {"certificate": "", "key": ""}, **host})


def names(service: str, host: Mapping[str, Any]) -> list[str]:
    """The names that the certificate of `service` on a host with these variables carries."""
    values = _described(host)
    return [*values["certificates_names"], values["certificates_service_names"][service]]


def files(
    service: str, host: Mapping[str, Any], authority: Authority, own: Certificate | None = None
) -> Iterator[File]:
    """The files of `service` on a host: its `own` certificate, or one issued as the role says."""
    values = _described(host)
    own = own or authority.issue(*names(service, host))
    place = values["certificates_places"][service]
    texts = {"authority": authority.pem, "certificate": own.certificate, "key": own.key}
    for kind, file in values["certificates_files"].items():
        path = f"{place['folder']}/{file['name']}"
        yield File(path, texts[kind], int(file["mode"], 8), f"{place['owner']}:{place['group']}")
