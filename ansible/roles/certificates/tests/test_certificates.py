"""Which certificates a host carries, and whom it trusts: ../README.md."""

import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, Final, NamedTuple

import pytest

testinfra_hosts = ["ansible://all"]

Variables = Mapping[str, Any]
FINGERPRINT: Final = "openssl x509 -noout -fingerprint -sha256"
#: A certificate in a file of several.
PEM: Final = re.compile(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)


class Carried(NamedTuple):
    """A certificate of one of the host's services."""

    service: str
    place: Mapping[str, str]
    paths: Mapping[str, str]
    names: tuple[str, ...]
    ports: tuple[int, ...]


@pytest.fixture(scope="module")
def carried(variables: Variables) -> list[Carried]:
    """Each service with a certificate, and the ports on which it shows that."""
    rabbitmq = [variables[f"rabbitmq_{port}_port"] for port in ("amqps", "management", "prometheus")]
    redis = [variables["redis_instances"][use]["port"] for use in variables["redis_uses"]]
    services = {
        "rabbitmq": {"rabbitmq": rabbitmq},
        "redis": {variables["redis_flavour"]: [*redis, variables["redis_sentinel_port"]]},
        "postgresql": {"postgresql": [variables["postgresql_port"]]},
        "web": {service: [443] for service in variables["web_certificates_services"]},
    }
    own = [pair for group, pairs in services.items() if group in variables["group_names"] for pair in pairs.items()]
    return [_carried(variables, service, tuple(ports)) for service, ports in own]


def _carried(variables: Variables, service: str, ports: tuple[int, ...]) -> Carried:
    place = variables["certificates_places"][service]
    paths = {kind: f"{place['folder']}/{file['name']}" for kind, file in variables["certificates_files"].items()}
    names = (*variables["certificates_names"], variables["certificates_service_names"][service])
    return Carried(service, place, paths, names, ports)


def test_only_its_service_reads_a_key(
    carried: list[Carried], misplaced: Callable[..., list[str]], variables: Variables
) -> None:
    """Authority, certificate and key are there, the service's own, and nobody else reads the key."""
    files = [
        {"path": one.paths[kind], "mode": file["mode"], "owner": one.place["owner"], "group": one.place["group"]}
        for one in carried
        for kind, file in variables["certificates_files"].items()
    ]
    told = misplaced(files)
    assert not told, "; ".join(told)


def test_key_is_the_certificates(carried: list[Carried], ask: Callable[..., str]) -> None:
    """Both have the same public half."""
    told = []
    for one in carried:
        public = ask("openssl pkey -in %s -pubout", one.paths["key"])
        if public != ask("openssl x509 -in %s -noout -pubkey", one.paths["certificate"]):
            told.append(f"{one.paths['key']} is not the key of {one.paths['certificate']}")
    assert not told, "; ".join(told)


def test_valid_for_longer_than_renewal_takes(
    carried: list[Carried], ask: Callable[..., str], variables: Variables
) -> None:
    """None ends within the days in which a run renews it: there was a run in time."""
    days = variables["certificates_renewal"]
    shortly = int(timedelta(days=days).total_seconds())
    ends = {
        one.service: ask(f"openssl x509 -in %s -noout -enddate -checkend {shortly} || :", one.paths["certificate"])
        for one in carried
    }
    told = [f"{service}'s has {said.splitlines()[0]}" for service, said in ends.items() if "will expire" in said]
    assert not told, f"within {days} days a certificate ends, so run make site: {', '.join(told)}"


def test_names_are_those_that_clients_verify(carried: list[Carried], ask: Callable[..., str]) -> None:
    """The host's, its address, and the one that all nodes of the service share."""
    told = []
    for one in carried:
        said = ask("openssl x509 -in %s -noout -ext subjectAltName", one.paths["certificate"])
        found = set(re.findall(r"(?:DNS|IP Address):([^,\s]+)", said))
        told += [f"{one.service}'s is not for {name}" for name in one.names if name not in found]
    assert not told, "; ".join(told)


def test_signed_by_whom_all_trust(carried: list[Carried], ask: Callable[..., str], variables: Variables) -> None:
    """Each certificate is good for a client that knows nothing but the file that all programs are given."""
    trusted = variables["certificates_trusted_file"]
    told = []
    for one in carried:
        path = one.paths["certificate"]
        said = ask("openssl verify -CAfile %s -untrusted %s %s 2>&1 || :", trusted, path, path)
        if not said.endswith(": OK\n"):
            told.append(f"{one.service}'s: {said.strip().splitlines()[-1]}")
    assert not told, f"not good by {trusted}: {'; '.join(told)}"


def test_authorities_are_the_vaults(carried: list[Carried], ask: Callable[..., str], variables: Variables) -> None:
    """Programs and services trust those, and nobody else."""
    wanted = set(PEM.findall(variables["certificates_trusted"]))
    files = [variables["certificates_trusted_file"], *(one.paths["authority"] for one in carried)]
    told = [path for path in files if set(PEM.findall(ask("cat %s", path))) != wanted]
    assert not told, f"other authorities than the vault's are in {', '.join(told)}"


def test_services_show_what_lies_there(carried: list[Carried], ask: Callable[..., str], variables: Variables) -> None:
    """On every port, so a renewed certificate is in use."""
    told = []
    for one in carried:
        lies = ask(f"{FINGERPRINT} -in %s", one.paths["certificate"])
        for port in one.ports:
            starting = "-starttls postgres" if one.service == "postgresql" else ""
            client = f"openssl s_client -connect %s {starting} </dev/null 2>/dev/null"
            shown = ask(f"{client} | {FINGERPRINT} 2>/dev/null || :", f"{variables['ansible_host']}:{port}")
            if shown != lies:
                told.append(f"{one.service} shows another one, or none, at port {port}")
    assert not told, "; ".join(told)
