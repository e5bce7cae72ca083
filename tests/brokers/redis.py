"""Redis (or Valkey) with Sentinel on three hosts, as the role `redis` describes it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import Any, Final, Literal
from urllib.parse import quote

from rehearsal.host import Host
from tests.brokers import certificates
from tests.brokers.certificates import Authority, Certificate
from tests.brokers.cluster import Host as AnyHost
from tests.brokers.cluster import Role as ClientRole
from tests.brokers.fleets import fleet
from tests.brokers.roles import Role
from tests.waiting import until

ADDRESSES: Final = {"redis1": "10.30.0.11", "redis2": "10.30.0.12", "redis3": "10.30.0.13"}
USERS: Final = ("application", "replication", "sentinel", "monitoring", "deploy")
PASSWORDS: Final = {f"redis_{user}_password": f"only-for-tests-{user}" for user in USERS}
SENTINEL_PORT: Final = 26379
#: The slug of the project that the observers run.
PROJECT: Final = "observed"


def cluster(name: str) -> "Redis":
    """The cluster whose fleet has that name, on Redis."""
    return Redis(name)


class Redis:
    """Three hosts, each with a server for every use and a Sentinel."""

    broker: Literal["redis"] = "redis"

    def __init__(self, name: str, flavour: Literal["redis", "valkey"] = "redis") -> None:
        """Name it; `settings` override the role's defaults."""
        self.settings: dict[str, Any] = {}
        self.flavour = flavour
        self.authority = Authority()  # of no use for a cluster that was up before: that one's key is gone
        self.unit = f"{flavour}-server@broker"
        self.fleet, folder = fleet(name, "redis", flavour, ADDRESSES)
        self.ca_file = folder / "ca.pem"

    @property
    def hosts(self) -> Sequence[Host]:
        """In the order of the Sentinels in the clients' URL."""
        return list(self.fleet.hosts.values())

    @cached_property
    def versions(self) -> str:
        """Of the server."""
        return self.hosts[0].run(f"{self.flavour}-server", "--version").stdout.partition(" sha=")[0]

    def up(self) -> bool:
        """Boot, place the role's files, start; returns when it is healthy, False where it was up before."""
        was_up = all(host.on for host in self.hosts)
        self.fleet.up()
        if was_up and self._running():
            self.ca_file.write_text(self.hosts[0].read(f"/etc/{self.flavour}/tls/ca.pem"), encoding="utf-8")
            self.wait_healthy()
            return False
        self.place()
        self.start()
        return True

    def down(self) -> None:
        """Take the fleet away."""
        self.fleet.down()

    def variables(self, host: Host) -> dict[str, Any]:
        """What Ansible would know of a host."""
        every = {each.name: {"ansible_host": each.address} for each in self.hosts}
        return {
            "project": PROJECT,
            "inventory_hostname": host.name,
            "ansible_host": host.address,
            "groups": {"redis": list(every)},
            "hostvars": every,
            "redis_flavour": self.flavour,
            **PASSWORDS,
            **self.settings,
        }

    def place(self) -> None:
        """Write every file of the roles `certificates` and `redis`, the certificates by a new authority."""
        self.authority = Authority()
        self.ca_file.write_text(self.authority.pem, encoding="utf-8")
        self._each(self._place)

    def _place(self, host: Host) -> None:
        self._write_certificate(host)
        self.configure(host)

    def certify(self, host: Host, own: Certificate | None = None) -> None:
        """Give a host another certificate, one as the role describes it by default, and its Sentinel notice of it."""
        self._write_certificate(host, own)
        host.run("systemctl", "restart", f"{self.flavour}-sentinel")

    def certify_servers(self, host: Host, own: Certificate | None = None) -> None:
        """Give the servers of a host another certificate, for new connections; its Sentinel keeps the one it has."""
        self._write_certificate(host, own)
        place = f"/etc/{self.flavour}/tls"
        files = ("tls-cert-file", f"{place}/certificate.pem", "tls-key-file", f"{place}/key.pem")
        for use in self._uses:
            said = self.cli(host, use, "config", "set", *files)
            if said != "OK":
                raise AssertionError(f"{host.name}, {use}: {said}")

    def _write_certificate(self, host: Host, own: Certificate | None = None) -> None:
        for file in certificates.files(self.flavour, self.variables(host), self.authority, own):
            host.write(file.path, file.text, mode=file.mode, owner=file.owner)

    def configure(self, host: Host) -> None:
        """Write the files of the role `redis` on a host."""
        for file in Role("redis").files(self.variables(host)):
            host.write(file.path, file.text, mode=file.mode, owner=file.owner)

    def kept(self, host: Host) -> dict[str, list[str]]:
        """By process: what it decided itself and keeps in its own file, but for epochs, which go up with time."""
        folder = f"/var/lib/{self.flavour}"
        own = {name: host.read(f"{folder}/{name}/own.conf").splitlines() for name in (*self._uses, "sentinel")}
        mine = ("replicaof ", "sentinel monitor ", "sentinel myid ", "sentinel known-")
        return {name: sorted(line for line in lines if line.startswith(mine)) for name, lines in own.items()}

    def start(self) -> None:
        """Start the servers, then the Sentinels: these find the replicas with their first question."""
        self._each(lambda host: host.run("systemctl", "daemon-reload"))
        self._each(lambda host: host.run("systemctl", "enable", "--now", *self._units(host)[:-1]))
        until(self._replicating, "the replicas' first copy")
        self._each(lambda host: host.run("systemctl", "enable", "--now", self._units(host)[-1]))
        self.wait_healthy()

    def links(self, role: ClientRole) -> Mapping[str, str]:
        """The environment of a process of `role`."""
        login = f"{PROJECT}:{quote(PASSWORDS['redis_application_password'], safe='')}"
        sentinels = [f"sentinel://{login}@{host.address}:{SENTINEL_PORT}" for host in self.hosts]
        if role == "stock":
            url = ";".join(f"{sentinel}/5" for sentinel in sentinels)
            return {"BROKER_URL": url, "SENTINEL_MASTER": "broker", "TLS_CA_FILE": str(self.ca_file)}
        uses = {"BROKER_URL": "broker/0", "RESULT_URL": "results/0", "LOCK_URL": "results/1", "CACHE_URL": "cache/0"}
        urls = {name: f"sentinel://{login}@{place}" for name, place in uses.items()}
        return {**urls, "SENTINEL_URL": ";".join(sentinels), "TLS_CA_FILE": str(self.ca_file)}

    def leader(self) -> Host:
        """The host that is primary of every use."""
        leading = [host for host in self.hosts if all(self.role(host, use) == "master" for use in self._uses)]
        if len(leading) != 1:
            raise LookupError(f"not one host is primary of {', '.join(self._uses)}")
        return leading[0]

    def primary(self, use: str = "broker") -> Host:
        """The host that is primary of one use; raises LookupError where not one of them is."""
        found = [host for host in self.hosts if self.role(host, use) == "master"]
        if len(found) != 1:
            raise LookupError(f"not one host is primary of {use}")
        return found[0]

    def lead(self, host: AnyHost) -> None:
        """Have every use failed over to `host`, which must be healthy."""
        wanted = self.fleet[host.name]
        self._ask_often(milliseconds=500)
        for use in self._uses:
            if self.role(wanted, use) != "master":
                self._lead(wanted, use)
        self.wait_healthy()
        self._ask_often(milliseconds=10_000)

    def _lead(self, host: Host, use: str) -> None:
        for each in self.hosts:  # Sentinels prefer the replica with the lowest priority
            self.cli(each, use, "config", "set", "replica-priority", "1" if each is host else "100")
        until(lambda: self._priority(host, use) == "1", f"{use}: the Sentinels' notice of the priority")
        until(lambda: self._fail_over(use), f"{use}: a fail-over that Sentinel agrees to")
        until(lambda: self.role(host, use) == "master", f"{use}: {host.name} as primary")
        for each in self.hosts:
            self.cli(each, use, "config", "set", "replica-priority", "100")

    def _ask_often(self, milliseconds: int) -> None:
        """How often Sentinels ask servers about themselves: every ten seconds, unless somebody is in a hurry."""
        for each in self.hosts:
            self.cli(each, "sentinel", "sentinel", "debug", "info-period", str(milliseconds))

    def _fail_over(self, use: str) -> bool:
        return self.cli(self.hosts[0], "sentinel", "sentinel", "failover", use) == "OK"

    def _priority(self, host: Host, use: str) -> str:
        """Of a replica, as the Sentinel knows it that will be told to fail over."""
        lines = self.cli(self.hosts[0], "sentinel", "sentinel", "replicas", use).splitlines()
        return lines[lines.index("slave-priority", lines.index(host.address)) + 1]

    def wait_healthy(self, timeout: float = 60) -> None:
        """Until each use has one primary with two replicas, and all Sentinels agree and know each other."""
        until(lambda: not self.ailing(), lambda: f"health: {'; '.join(self.ailing())}", timeout)

    def clear(self) -> None:
        """Drop all data of all uses."""
        for use in self._uses:
            for host in self.hosts:
                if self.role(host, use) == "master":
                    self.cli(host, use, "flushall")

    def cli(self, host: Host, use: str, *command: str) -> str:
        """What a server (or `sentinel`) on `host` answers to its administrator; its certificate may be a wrong one."""
        port = SENTINEL_PORT if use == "sentinel" else self._values["redis_instances"][use]["port"]
        login = ("--user", f"{PROJECT}_deploy", "--pass", PASSWORDS["redis_deploy_password"], "--no-auth-warning")
        asked = host.run(f"{self.flavour}-cli", "--tls", "--insecure", "-p", str(port), *login, *command, check=False)
        return asked.stdout.strip()

    def role(self, host: Host, use: str) -> str:
        """`master`, `slave`, or nothing where it does not answer."""
        return self.cli(host, use, "role").partition("\n")[0] if host.on else ""

    def ailing(self) -> list[str]:
        """What is not as it should be, in words."""
        return [*self._ailing_servers(), *self._ailing_sentinels()]

    def _ailing_servers(self) -> Iterator[str]:
        for use in self._uses:
            roles = sorted(self.role(host, use) for host in self.hosts)
            if roles != ["master", "slave", "slave"]:
                yield f"{use}: the hosts are {roles}"
            elif not self._follow(use):
                yield f"{use}: a replica is not connected"

    def _ailing_sentinels(self) -> Iterator[str]:
        for use in self._uses:
            told = [self._told(host, use) for host in self.hosts]
            if len({(state.get("ip"), state.get("flags")) for state in told}) != 1 or told[0].get("flags") != "master":
                yield f"{use}: the Sentinels say {[(state.get('ip'), state.get('flags')) for state in told]}"
            elif any((state["num-slaves"], state["num-other-sentinels"]) != ("2", "2") for state in told):
                yield f"{use}: a Sentinel does not know all others"
            elif any("down" in self._told(host, use, "replicas").get("flags", "down") for host in self.hosts):
                yield f"{use}: a Sentinel takes a replica for down"

    def _told(self, host: Host, use: str, about: str = "master") -> dict[str, str]:
        lines = self.cli(host, "sentinel", "sentinel", about, use).splitlines()
        return dict(zip(lines[::2], lines[1::2], strict=False))

    def _replicating(self) -> bool:
        return all(self._follow(use) for use in self._uses)

    def _follow(self, use: str) -> bool:
        told = [self.cli(host, use, "info", "replication") for host in self.hosts]
        return sum("master_link_status:up" in each for each in told) == len(told) - 1

    def _running(self) -> bool:
        return all(
            host.run("systemctl", "is-active", *self._units(host), check=False).returncode == 0 for host in self.hosts
        )

    def _units(self, host: Host) -> list[str]:
        return [unit["name"] for unit in Role("redis").variables(self.variables(host))["redis_units"]]

    @cached_property
    def _values(self) -> dict[str, Any]:
        return Role("redis").variables(self.variables(self.hosts[0]))

    @property
    def _uses(self) -> list[str]:
        uses: list[str] = self._values["redis_uses"]
        return uses

    def _each(self, what: Callable[[Host], object]) -> None:
        with ThreadPoolExecutor(len(self.hosts)) as pool:
            list(pool.map(what, self.hosts))
