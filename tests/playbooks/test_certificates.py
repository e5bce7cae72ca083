"""Certificates are issued when they are due, for a key that stays where it is, and never into a gap of trust."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest
import trustme
import yaml
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from tests.playbooks.local import FOLDER, ME, told

NAMES: Final = ["one", "10.0.0.1"]


def pem(authority: trustme.CA) -> dict[str, str]:
    """Certificate and key of an authority."""
    return {
        "certificate": authority.cert_pem.bytes().decode(),
        "key": authority.private_key_pem.bytes().decode(),
    }


class Place:
    """A service's folder on this machine."""

    def __init__(self, folder: Path) -> None:
        """Nothing lies there."""
        self.folder = folder
        self.defaults = yaml.safe_load((FOLDER / "roles/certificates/defaults/main.yml").read_text(encoding="utf-8"))

    def told(self, by: trustme.CA, *options: str, **more: object) -> dict[str, Any]:
        """What the role's task says."""
        arguments = {
            "authority": pem(by),
            "trusted": pem(by)["certificate"],
            "trusted_file": str(self.folder / "trusted.pem"),
            "services": ["it"],
            "places": {"it": {"folder": str(self.folder / "tls"), **ME}},
            "verified": ["it"],
            "files": self.defaults["certificates_files"],
            "names": NAMES,
            "service_names": {"it": "it.internal"},
            "curve": self.defaults["certificates_curve"],
            "validity": self.defaults["certificates_validity"],
            "renewal": self.defaults["certificates_renewal"],
            **more,
        }
        return told(self.folder, "certificates", arguments, *options)

    @property
    def files(self) -> dict[str, bytes]:
        """What lies there."""
        return {path.name: path.read_bytes() for path in (self.folder / "tls").iterdir()}

    @property
    def certificate(self) -> x509.Certificate:
        """The first of the chain."""
        return x509.load_pem_x509_certificate(self.files["certificate.pem"])


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """One that is good for years, as a vault's."""
    return trustme.CA()


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """Nothing lies there yet."""
    return Place(tmp_path)


@pytest.fixture
def placed(place: Place, authority: trustme.CA) -> Place:
    """Its first certificate lies there."""
    assert place.told(authority)["reasons"] == {"it": "there is no certificate"}
    return place


def test_a_certificate_is_for_all_names_and_both_usages(placed: Place, authority: trustme.CA) -> None:
    """A year and a month, a key for its owner only, nothing left over; the second run changes nothing."""
    own = placed.certificate
    names = own.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["one", "it.internal"]
    assert [str(address) for address in names.get_values_for_type(x509.IPAddress)] == ["10.0.0.1"]
    usages = own.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usages) == [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    days = (own.not_valid_after_utc - datetime.now(UTC)) / timedelta(days=1)
    assert 396 < days <= 397
    assert set(placed.files) == {"ca.pem", "certificate.pem", "key.pem"}
    assert (placed.folder / "tls/key.pem").stat().st_mode & 0o777 == 0o600
    before = placed.files
    assert not placed.told(authority)["changed"]
    assert placed.files == before


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"renewal": 398}, "the certificate ends within 398 days"),
        ({"names": ["two"]}, "the certificate's names are 10.0.0.1, it.internal, one"),
    ],
)
def test_it_is_renewed_with_a_new_key(
    placed: Place, authority: trustme.CA, more: dict[str, object], reason: str
) -> None:
    """In check mode it is only told why."""
    before = placed.files
    said = placed.told(authority, "--check", **more)
    assert (said["changed"], said["reasons"]) == (True, {"it": reason})
    assert placed.files == before
    assert placed.told(authority, **more)["reasons"] == {"it": reason}
    assert placed.files["key.pem"] != before["key.pem"]
    assert placed.files["certificate.pem"] != before["certificate.pem"]


def test_a_pair_that_is_none_is_renewed(placed: Place, authority: trustme.CA) -> None:
    """As after a run that was cut short between the two files."""
    other = authority.issue_cert("one").private_key_pem.bytes()
    (placed.folder / "tls/key.pem").write_bytes(other)
    assert placed.told(authority)["reasons"] == {"it": "the certificate does not belong to its key"}
    assert not placed.told(authority)["changed"]


def test_an_authority_is_replaced_in_two_steps(placed: Place, authority: trustme.CA) -> None:
    """At once is refused, and nothing is written; with both trusted the new one issues, and the old one goes."""
    new = trustme.CA()
    before = placed.files
    said = placed.told(new)
    assert said["failed"]
    assert "hosts are no longer to trust its authority" in said["msg"]
    assert placed.files == before
    both = pem(new)["certificate"] + pem(authority)["certificate"]
    only_trust = placed.told(new, trusted=both, issue=False)
    assert (only_trust["changed"], only_trust["reasons"]) == (True, {})
    assert placed.files["certificate.pem"] == before["certificate.pem"]
    assert placed.told(new, trusted=both)["reasons"] == {"it": "the certificate is of another authority"}
    assert placed.told(new)["changed"]
    assert placed.files["ca.pem"].decode() == pem(new)["certificate"]
    assert (placed.folder / "trusted.pem").read_text(encoding="utf-8") == pem(new)["certificate"]


def test_a_certificate_that_no_host_verifies_may_be_anybodys(placed: Place, authority: trustme.CA) -> None:
    """As that of a public authority, which the web shows to browsers."""
    told = placed.told(trustme.CA(), services=[], verified=[])
    assert (told["changed"], "failed" in told) == (True, False)
    assert placed.told(trustme.CA(), services=[])["failed"]
    assert placed.told(authority, services=[])["changed"]


def test_an_authority_whose_key_is_another_ones_is_refused(place: Place, authority: trustme.CA) -> None:
    """Before a host is asked for anything."""
    mixed = {**pem(authority), "key": pem(trustme.CA())["key"]}
    said = place.told(authority, authority=mixed)
    assert "the authority's key is not the one of its certificate" in said["msg"]


def test_nothing_of_the_authority_is_shown(place: Place, authority: trustme.CA) -> None:
    """Neither as an argument nor in the difference."""
    said = place.told(authority, "--diff")
    assert pem(authority)["key"].splitlines()[1] not in str(said)
