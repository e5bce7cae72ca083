"""RabbitMQ on three hosts, as the role `rabbitmq` describes it."""

import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import Any, Final, Literal

from rehearsal.errors import RehearsalError
from rehearsal.host import Host
from tests.brokers import certificates
from tests.brokers.certificates import Authority, Certificate
from tests.brokers.cluster import Host as AnyHost
from tests.brokers.cluster import Role as ClientRole
from tests.brokers.fleets import fleet
from tests.brokers.roles import Role
from tests.waiting import until

ADDRESSES: Final = {"r1": "10.40.0.11", "r2": "10.40.0.12", "r3": "10.40.0.13"}
#: The slug of the project that the observers run.
PROJECT: Final = "observed"
USERS: Final = ("web", "worker", "relay", "monitoring", "deploy")
#: Stock Celery's own virtual host, user and password.
STOCK: Final = "stock"
#: Nothing connects there: observed tasks have no results.
NO_REDIS: Final = "redis://:unused@127.0.0.1:9/0"

#: How rabbitmqctl ends when it does not get through to the node; and how often it is asked then.
UNREACHED: Final = 69
TRIES: Final = 4

#: What a node is asked; the answers are JSON. A queue is named `VHOST/NAME`.
_TERMS: Final = """\
Name = fun(Q) -> {resource, V, queue, N} = amqqueue:get_name(Q), <<V/binary, "/", N/binary>> end,
Quorum = [Q || Q <- rabbit_amqqueue:list(), amqqueue:get_type(Q) =:= rabbit_quorum_queue],
Json = fun(Term) -> binary_to_list(rabbit_json:encode(Term)) end,
"""
_VERSIONS: Final = """\
Json(iolist_to_binary(["RabbitMQ ", rabbit_misc:version(), ", Erlang ", erlang:system_info(otp_release)])).
"""
_HEALTH: Final = "Json(#{running => rabbit_nodes:list_running(), partitions => rabbit_node_monitor:partitions()})."
_LEADERS: Final = "Json(maps:from_list([{Name(Q), element(2, amqqueue:get_pid(Q))} || Q <- Quorum]))."
_TRANSFER: Final = """\
Node = '%s',
Json([Name(Q) || Q <- Quorum, element(2, amqqueue:get_pid(Q)) =/= Node,
                 rabbit_quorum_queue:transfer_leadership(Q, Node) =/= {migrated, Node}]).
"""
_PURGE: Final = "[rabbit_amqqueue:purge(Q) || Q <- rabbit_amqqueue:list()], Json(ok)."


def cluster(name: str) -> "RabbitMQ":
    """The cluster whose fleet has that name."""
    return RabbitMQ(name)


class RabbitMQ:
    """Three nodes, with a virtual host for the observed project and one for stock Celery."""

    broker: Literal["rabbitmq"] = "rabbitmq"
    unit: Literal["rabbitmq-server"] = "rabbitmq-server"

    def __init__(self, name: str) -> None:
        """Name it; `settings` override the role's defaults."""
        self.settings: dict[str, Any] = {}
        self.authority = Authority()
        self.fleet, folder = fleet(name, "rabbitmq", "rabbitmq", ADDRESSES)
        self.ca_file = folder / "ca.pem"

    @property
    def hosts(self) -> Sequence[Host]:
        """In the order of the clients' URLs."""
        return list(self.fleet.hosts.values())

    @cached_property
    def versions(self) -> str:
        """Of the server and of what it runs on."""
        return str(self._eval(self.hosts[0], _VERSIONS))

    def up(self) -> bool:
        """Boot, place the role's files, start; returns when it is healthy, False where it was up before."""
        was_up = all(host.on for host in self.hosts)
        self.fleet.up()
        if was_up and self.ca_file.exists() and all(map(self._is_placed, self.hosts)):
            self.wait_healthy()
            return False
        self.place(Authority())
        self.start()
        return True

    def down(self) -> None:
        """Take the fleet away."""
        self.fleet.down()

    def place(self, authority: Authority) -> None:
        """Write every file of the roles `certificates` and `rabbitmq`, on hosts whose broker holds nothing any more."""
        self.authority = authority
        self.ca_file.write_text(self.authority.pem, encoding="utf-8")
        self._each(self._forget)
        self._each(self.configure)

    def configure(self, host: Host) -> None:
        """Write the files of one host."""
        variables = self.variables(host)
        for file in Role("rabbitmq").files(variables):
            host.write(file.path, file.text, mode=file.mode, owner=file.owner)
        self.certify(host)

    def certify(self, host: Host, own: Certificate | None = None) -> None:
        """Write the host's certificate, or `own` in its place; new connections see it after `take_certificates`."""
        for file in certificates.files("rabbitmq", self.variables(host), self.authority, own):
            host.write(file.path, file.text, mode=file.mode, owner=file.owner)

    def take_certificates(self, host: Host) -> None:
        """Make a running node read its certificate anew, which it does every two minutes by itself.

        Another node tells it to: `rabbitmqctl` on the host shows the same certificate, which may be wrong on purpose.
        """
        other = next(each for each in self.hosts if each.name != host.name)
        self._eval(other, f"ok = rpc:call('rabbit@{host.name}', ssl, clear_pem_cache, []), Json(ok).")

    def look_for_timeouts(self, every: float) -> None:
        """Make channels that are opened from now on look every so many seconds for tasks that are held too long."""
        self._eval(
            self.hosts[0],
            f"[ok = rpc:call(Node, application, set_env, [rabbit, channel_tick_interval, {int(every * 1000)}])"
            " || Node <- rabbit_nodes:list_running()], Json(ok).",
        )

    def start(self) -> None:
        """Start all nodes at once; they find each other."""
        described = Role("rabbitmq").variables(self.variables(self.hosts[0]))["rabbitmq_units"]
        units = [unit["name"] for unit in described]
        self._each(lambda host: host.run("systemctl", "daemon-reload"))
        self._each(lambda host: host.run("systemctl", "enable", "--now", *units, timeout=120))
        self.wait_healthy()
        definitions = {
            "vhosts": [{"name": STOCK}],
            "users": [{"name": STOCK, "password": STOCK, "tags": []}],
            "permissions": [{"user": STOCK, "vhost": STOCK, "configure": ".*", "write": ".*", "read": ".*"}],
        }
        self.hosts[0].write("/run/stock.json", json.dumps(definitions))
        self.ctl(self.hosts[0], "import_definitions", "/run/stock.json")

    def variables(self, host: Host) -> dict[str, Any]:
        """What Ansible would know of a host."""
        return {
            "project": PROJECT,
            "inventory_hostname": host.name,
            "ansible_host": host.address,
            "groups": {"rabbitmq": [each.name for each in self.hosts]},
            "rabbitmq_erlang_cookie": "only-for-tests",
            "rabbitmq_passwords": {user: f"only-for-tests-{user}" for user in USERS},
            **self.settings,
        }

    def links(self, role: ClientRole | Literal["monitoring"]) -> Mapping[str, str]:
        """The environment of a process of `role`."""
        login = f"{STOCK}:{STOCK}" if role == "stock" else f"{PROJECT}_{role}:only-for-tests-{role}"
        vhost = STOCK if role == "stock" else PROJECT
        return {
            "BROKER_URL": ";".join(f"amqps://{login}@{host.name}:5671/{vhost}" for host in self.hosts),
            "BROKER_ADMIN_URL": ";".join(f"https://{login}@{host.name}:15671" for host in self.hosts),
            "TLS_CA_FILE": str(self.ca_file),
            **dict.fromkeys(("RESULT_URL", "CACHE_URL", "LOCK_URL"), NO_REDIS),
        }

    def leader(self) -> Host:
        """The host that leads every quorum queue."""
        leading = set(self._eval(self.hosts[-1], _LEADERS).values())
        if len(leading) != 1:
            raise LookupError(f"the queues are led by {sorted(leading)}")
        return self.fleet[leading.pop().removeprefix("rabbit@")]

    def lead(self, host: AnyHost) -> None:
        """Move the leadership of every queue to `host`, which must be healthy."""
        own = self.fleet[host.name]
        until(lambda: not self._eval(own, _TRANSFER % f"rabbit@{host.name}"), f"{host.name} to lead all queues")

    def wait_healthy(self, timeout: float = 60) -> None:
        """Until each node sees all others and none sees a partition."""
        until(lambda: not self.ailing(), lambda: f"health: {'; '.join(self.ailing())}", timeout, every=0.5)

    def clear(self) -> None:
        """Drop every message that waits."""
        self._eval(self.hosts[0], _PURGE)

    def ailing(self) -> list[str]:
        """What is not as it should be, in words; only the first, because each question costs a core a second."""
        return next(filter(None, map(self._ailing, self.hosts)), [])

    def _ailing(self, host: Host) -> list[str]:
        try:
            seen = self._eval(host, _HEALTH)
        except RehearsalError as error:
            return [f"{host.name} does not answer: {str(error).strip().splitlines()[-1]}"]
        if sorted(seen["running"]) == sorted(f"rabbit@{each.name}" for each in self.hosts) and not seen["partitions"]:
            return []
        return [f"{host.name} sees {sorted(seen['running'])}, partitions {seen['partitions']}"]

    def ctl(self, host: Host, *arguments: str) -> str:
        """What rabbitmqctl prints on `host`; raises RehearsalError where it fails.

        Where processes wait for a core its handshake may last longer than the role allows; then it is asked again.
        """
        tries = (host.run("rabbitmqctl", *arguments, check=False) for _ in range(TRIES))
        asked = next((each for each in tries if each.returncode != UNREACHED), None)
        if asked is None:
            raise RehearsalError(f"{host.name}: rabbitmqctl did not get through to its node, {TRIES} times")
        if asked.returncode:
            raise RehearsalError(f"{host.name}: {asked.stderr}")
        return asked.stdout

    def _eval(self, host: Host, term: str) -> Any:  # noqa: ANN401 - whatever is asked for
        """What Erlang says on `host`: much quicker than the commands of rabbitmqctl that print the same."""
        return json.loads(json.loads(self.ctl(host, "eval", _TERMS + term)))

    def _is_placed(self, host: Host) -> bool:
        return host.run("test", "-e", "/etc/rabbitmq/definitions.json", check=False).returncode == 0

    def _forget(self, host: Host) -> None:
        """Debian starts a node of its own when the package is installed."""
        host.run("systemctl", "stop", self.unit, timeout=60)
        host.run("find", "/var/lib/rabbitmq/mnesia", "-mindepth", "1", "-delete")

    def _each(self, what: Callable[[Host], object]) -> None:
        with ThreadPoolExecutor(len(self.hosts)) as pool:
            list(pool.map(what, self.hosts))
