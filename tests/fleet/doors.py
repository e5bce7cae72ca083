"""What is open to whom, whether it is encrypted, and whether a secret can be read where it must not."""

import json
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from rehearsal.host import Host
from tests.fleet import project
from tests.fleet.ground import Ground
from tests.fleet.row import Seen

PROBE: Final = Path(__file__).parent / "probe.py"
LEAKS: Final = Path(__file__).parent / "leaks.py"
OUTSIDE: Final = "outside"
APPS: Final = frozenset({"web", "workers_default", "beat", "monitoring"})
#: Who may reach which port of whom; `outside` is a machine that is no host of the inventory. Written beside the roles
#: and not derived from them: what a role opens by mistake is to be seen here.
OPEN: Final[dict[str, dict[int, frozenset[str]]]] = {
    "all": {22: frozenset({OUTSIDE})},
    "web": {port: frozenset({OUTSIDE}) for port in (80, 443, 8443)},
    "rabbitmq": {
        5671: APPS,
        15671: APPS | {"rabbitmq"},
        15691: frozenset({"monitoring"}),
        4369: frozenset({"rabbitmq"}),
        25672: frozenset({"rabbitmq"}),
        **dict.fromkeys(range(35672, 35683), frozenset({"rabbitmq"})),
    },
    "redis": {port: APPS | {"redis"} for port in (6379, 6380, 6381, 26379)},
    "postgresql": {5432: APPS | {"postgresql"}},
}
#: From each of these every port of every host is tried.
FROM: Final = ("rabbit1", "redis1", "web1", "work1", "db1")
#: Ports that speak TLS from the first byte.
TLS: Final = frozenset({443, 8443, 5671, 15671, 15691, 25672, 6379, 6380, 6381, 26379})
#: Those of them that want to see a certificate as well: the nodes' own.
_OWN: Final = {25672: ("/etc/rabbitmq/tls/certificate.pem", "/etc/rabbitmq/tls/key.pem")}
#: Shorter ones would be found by accident.
LEAST: Final = 8


def ports(ground: Ground) -> Seen:
    """Every port that listens is tried from outside and from a host of each kind."""
    listening = {host.name: _listening(host) for host in ground.fleet.hosts.values()}
    misses, tried = [], 0
    for origin in (OUTSIDE, *FROM):
        found = _reached(ground, origin, listening)
        tried += len(found)
        for address, reached in found.items():
            name, port = address.rsplit(":", 1)
            if name == origin:
                continue
            if reached and not _may(ground, origin, name, int(port)):
                misses.append(f"{origin} reaches {address}")
            elif not reached and _must(ground, origin, name, int(port)):
                misses.append(f"{origin} does not reach {address}")
    return Seen(f"{tried} ways tried, {len(misses)} other than listed", misses)


def encrypted(ground: Ground) -> Seen:
    """Each of those ports: a verified handshake, and none with an authority of somebody else's."""
    misses, tried = [], 0
    authority = ground.vault["authority"]["certificate"]
    for host in ground.fleet.hosts.values():
        host.write("/root/ca.pem", authority)
        for port in sorted(TLS & _listening(host)):
            tried += 1
            misses += [f"{host.name}:{port}: {problem}" for problem in _handshakes(host, port)]
    for host in ground.hosts("postgresql"):
        tried += 1
        misses += _postgresql_in_plain_text(ground, host)
    return Seen(f"{tried} ports", misses)


def leaks(ground: Ground) -> Seen:
    """Every secret of the vault is looked for where others can read, and in what the playbooks printed."""
    secrets = sorted({value for value in _leaves(ground.vault) if len(value) >= LEAST and "\n" not in value})
    misses = []
    for host in ground.fleet.hosts.values():
        host.write("/root/leaks.py", LEAKS.read_text(encoding="utf-8"), mode=0o600)
        host.write("/root/leaks.json", json.dumps(secrets), mode=0o600)
        found = host.run("python3", "/root/leaks.py", "/root/leaks.json", timeout=120).stdout
        host.run("rm", "/root/leaks.py", "/root/leaks.json")
        misses += [f"{host.name}: {line}" for line in found.splitlines()]
    for log in ground.folder.glob("*.log"):
        text = log.read_text(encoding="utf-8")
        misses += [f"{log.name}: a secret of {len(secret)} characters" for secret in secrets if secret in text]
    return Seen(f"{len(secrets)} secrets looked for on {len(ground.fleet.hosts)} hosts: {len(misses)} found", misses)


def _listening(host: Host) -> set[int]:
    found = host.run("ss", "--no-header", "--listening", "--tcp", "--numeric").stdout
    local = [line.split()[3].rpartition(":") for line in found.splitlines()]
    return {int(port) for address, _, port in local if not address.startswith(("127.", "[::1]"))}


def _reached(ground: Ground, origin: str, listening: dict[str, set[int]]) -> dict[str, bool]:
    ways = [[name, ground.fleet[name].address, port] for name, found in listening.items() for port in sorted(found)]
    if origin == OUTSIDE:
        command = ground.fleet.command("python3", str(PROBE), json.dumps(ways))
        told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    else:
        host = ground.fleet[origin]
        host.write("/root/probe.py", PROBE.read_text(encoding="utf-8"))
        told = host.run("python3", "/root/probe.py", json.dumps(ways), timeout=60).stdout
    reached: dict[str, bool] = json.loads(told)
    return reached


def _may(ground: Ground, origin: str, name: str, port: int) -> bool:
    groups = {"all", *ground.fleet[name].groups}
    allowed = frozenset[str]().union(*(OPEN.get(group, {}).get(port, frozenset()) for group in groups))
    own = set() if origin == OUTSIDE else set(ground.fleet[origin].groups)
    # What a stranger may, a host may, too.
    return OUTSIDE in allowed or bool(own & allowed)


def _must(ground: Ground, origin: str, name: str, port: int) -> bool:
    """What clients need; that a port is open to a colleague of the same group may depend on the role's settings."""
    groups = set(ground.fleet[name].groups)
    own = set() if origin == OUTSIDE else set(ground.fleet[origin].groups)
    needed = {5671: "rabbitmq", 6380: "redis", 26379: "redis", 5432: "postgresql"}
    if origin == OUTSIDE:
        return port in (22, 443)
    return needed.get(port) in groups and bool(own & APPS)


def _handshakes(host: Host, port: int) -> Iterator[str]:
    """From the host itself: nobody else may reach all of them."""
    script = (
        "import socket, ssl, sys; "
        "c = ssl.create_default_context(cafile=sys.argv[1]); "
        "sys.argv[5:] and c.load_cert_chain(*sys.argv[5:]); "
        "s = c.wrap_socket(socket.create_connection((sys.argv[2], int(sys.argv[3])), 5), server_hostname=sys.argv[4]); "
        "print(s.version())"
    )
    name = project.SITE if port in (443, 8443) else host.name
    asked = ("python3", "-c", script)
    way = (host.address, str(port), name)
    own = _OWN.get(port, ())
    good = host.run(*asked, "/root/ca.pem", *way, *own, check=False)
    if own and not host.run(*asked, "/root/ca.pem", *way, check=False).returncode:
        yield "it takes somebody without a certificate"
    if good.returncode:
        yield f"no verified handshake: {good.stderr.strip().rpartition(chr(10))[2]}"
    strange = host.run(*asked, "/etc/ssl/certs/ca-certificates.crt", *way, check=False)
    if "CERTIFICATE_VERIFY_FAILED" not in strange.stderr:
        yield "an authority of somebody else's vouches for it"
    plain = host.run(
        "python3",
        "-c",
        "import socket, sys; s = socket.create_connection((sys.argv[1], int(sys.argv[2])), 5); "
        "s.sendall(b'PING\\r\\n'); s.settimeout(5); print(s.recv(100))",
        *way[:2],
        check=False,
    ).stdout
    if "PONG" in plain or "AMQP" in plain or "200" in plain:
        yield f"it answers plain text: {plain[:60]}"


def _postgresql_in_plain_text(ground: Ground, host: Host) -> list[str]:
    client = ground.hosts("web")[0]
    user = f"user\0{project.NAME}\0database\0{project.NAME}\0\0"
    script = (
        "import socket, struct, sys; s = socket.create_connection((sys.argv[1], 5432), 5); "
        f"b = struct.pack('!i', 196608) + {user!r}.encode(); "
        "s.sendall(struct.pack('!i', len(b) + 4) + b); s.settimeout(5); print(s.recv(200))"
    )
    said = client.run("python3", "-c", script, host.address, check=False).stdout
    return [] if "no encryption" in said else [f"{host.name}:5432 takes plain text: {said[:80]}"]


def _leaves(value: Any) -> Iterable[str]:  # noqa: ANN401 - what YAML holds
    if isinstance(value, dict):
        return [leaf for each in value.values() for leaf in _leaves(each)]
    return [str(value)]
