"""Signs, on the controller, what hosts ask for: keys are made on the hosts and stay there."""

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

#: A host whose clock is a little behind must not refuse a new one.
BACKDATED = timedelta(days=1)
PEM_END = "-----END CERTIFICATE-----"


class ActionModule(ActionBase):
    """The module `certificates`, called once, and a second time where it asks for something."""

    def run(self, tmp: object = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Let the host look at what it has; sign its requests; let it put what was signed in place."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        given = dict(self._task.args)
        pem = given.pop("authority")
        authority = Authority(pem, given.pop("validity"))
        given["issuer"] = pem["certificate"]
        names, shared, places = given.pop("names"), given.pop("service_names"), given.pop("places")
        name = given["files"]["certificate"]["name"]
        given["shown"] = [f"{places[service]['folder']}/{name}" for service in given.pop("verified")]
        given["places"] = [
            {"service": service, "names": [*names, shared[service]], **places[service]}
            for service in given.pop("services")
        ]
        asked = self._execute_module(module_name="certificates", module_args=given, task_vars=task_vars)
        if asked.get("failed") or not asked.get("requests"):
            return {**result, **asked}
        wanted = {place["service"]: place["names"] for place in given["places"]}
        given["signed"] = {
            service: authority.sign(text, wanted[service]) for service, text in asked["requests"].items()
        }
        placed = self._execute_module(module_name="certificates", module_args=given, task_vars=task_vars)
        told = {"changed": True, "reasons": asked["reasons"], "diff": asked["diff"]}
        return {**result, **placed, **told}


class Authority:
    """A private certificate authority: PEM of its certificate (with what lies above it, if there is) and of its key."""

    def __init__(self, pem: dict[str, str], days: int) -> None:
        """Raises AnsibleActionFail where certificate and key are not a pair, or no authority."""
        self._certificate = x509.load_pem_x509_certificate(pem["certificate"].encode())
        self._key = load_pem_private_key(pem["key"].encode(), password=None)
        self._chain = chain_below(pem["certificate"])
        self._days = days
        if self._key.public_key() != self._certificate.public_key():
            raise AnsibleActionFail("the authority's key is not the one of its certificate; see vault.authority")
        if self._certificate.not_valid_after_utc < datetime.now(UTC) + timedelta(days=days):
            until = f"{self._certificate.not_valid_after_utc:%Y-%m-%d}"
            raise AnsibleActionFail(
                f"the authority ends on {until}, before what it signs ({days} days); renew it first"
            )

    def sign(self, request: str, names: list[str]) -> str:
        """PEM of a certificate for the key of `request`, and for `names`, whatever the request says of itself."""
        asked = x509.load_pem_x509_csr(request.encode())
        if not asked.is_signature_valid:
            raise AnsibleActionFail(f"{names[0]}: the request was not signed by its own key")
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0][:64])]))
            .issuer_name(self._certificate.subject)
            .public_key(asked.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - BACKDATED)
            .not_valid_after(now + timedelta(days=self._days))
        )
        for extension, critical in self._extensions(asked, names):
            builder = builder.add_extension(extension, critical=critical)
        algorithm = SHA256() if isinstance(self._key, EllipticCurvePrivateKey) else None
        return builder.sign(self._key, algorithm).public_bytes(Encoding.PEM).decode() + self._chain

    def _extensions(self, asked: Any, names: list[str]) -> list[tuple[x509.ExtensionType, bool]]:
        """Both usages: between nodes of a cluster each is a client of the others."""
        usages = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
        return [
            (x509.SubjectAlternativeName([general_name(name) for name in names]), False),
            (x509.BasicConstraints(ca=False, path_length=None), True),
            (x509.ExtendedKeyUsage(usages), False),
            (x509.SubjectKeyIdentifier.from_public_key(asked.public_key()), False),
            (x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), False),
        ]


def general_name(name: str) -> x509.GeneralName:
    """An address or a host's name."""
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def chain_below(pem: str) -> str:
    """What servers have to send along: an authority below another one, and nothing where it stands for itself."""
    parts = [f"{part.strip()}\n{PEM_END}\n" for part in pem.split(PEM_END) if part.strip()]
    certificates = [x509.load_pem_x509_certificate(part.encode()) for part in parts]
    return "".join(
        part for part, certificate in zip(parts, certificates, strict=True) if certificate.subject != certificate.issuer
    )
