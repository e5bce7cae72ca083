"""Speaks with servers and Sentinels of Redis: waits until all is whole, makes a host spare, renews certificates."""

import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = """
module: sentinel
short_description: Look after servers and Sentinels of Redis or Valkey, by their own protocol
description:
  - No program of the host's is called with a password, so none is to be seen in its list of processes.
options:
  state:
    description:
      - C(whole) waits until each use has one primary that all Sentinels agree on, followed by all other hosts; it
        returns as C(order) the addresses, those last that are primary of most, so that few need to be made spare.
      - C(spare) waits for that, too, then has each use of which C(address) is primary taken over by another host.
        Writes wait until the others have everything, so none that was acknowledged is lost.
      - C(certified) has the processes at C(address) show the certificate that lies there now; others are not asked.
        With C(anew) they read it where they show it already, too, because whom they trust may be new.
    choices: [whole, spare, certified]
    required: true
  address:
    description: Of the host that it is about.
    type: str
    required: true
  of:
    description:
      - C(hosts) are the addresses of all; C(uses) the ports of the servers by use, C(sentinel_port) the Sentinels' one.
      - C(user) and C(password) are an administrator's; ca.pem, certificate.pem and key.pem lie in C(folder).
      - C(sentinel_unit) is restarted to read its certificate, which a Sentinel does when it starts, and only then.
    type: dict
    required: true
  anew:
    description: See C(certified).
    type: bool
  timeout:
    description: Seconds to wait.
    type: int
"""

OF = {
    "hosts": {"type": "list", "elements": "str", "required": True},
    "uses": {"type": "dict", "required": True},
    "sentinel_port": {"type": "int", "required": True},
    "sentinel_unit": {"type": "str", "required": True},
    "user": {"type": "str", "required": True},
    "password": {"type": "str", "required": True, "no_log": True},
    "folder": {"type": "path", "required": True},
}
ARGUMENTS = {
    "state": {"type": "str", "choices": ["whole", "spare", "certified"], "required": True},
    "address": {"type": "str", "required": True},
    "anew": {"type": "bool", "default": False},
    "of": {"type": "dict", "required": True, "options": OF},
    "timeout": {"type": "int", "default": 60},
}
#: Seconds that an answer may take.
ANSWER = 5
#: Seconds that writes wait at most while another host takes over, which takes about one.
PAUSE = 5
POLL = 0.2


class WrongError(Exception):
    """What is not as it should be."""


@dataclass(frozen=True)
class Fleet:
    """How to reach all of them."""

    given: dict[str, Any]

    @property
    def hosts(self) -> list[str]:
        """Their addresses."""
        return list(self.given["hosts"])

    @property
    def uses(self) -> dict[str, int]:
        """Ports by use."""
        return {use: int(port) for use, port in self.given["uses"].items()}

    def server(self, host: str, use: str, *command: str) -> Any:
        """What a server answers."""
        return self._ask(host, self.uses[use], *command)

    def sentinel(self, host: str, *command: str) -> Any:
        """What a Sentinel answers."""
        return self._ask(host, self.given["sentinel_port"], *command)

    def connection(self, host: str, port: int) -> ssl.SSLSocket:
        """TLS to one of them, whose certificate is verified."""
        context = ssl.create_default_context(cafile=f"{self.given['folder']}/ca.pem")
        plain = socket.create_connection((host, port), ANSWER)
        return context.wrap_socket(plain, server_hostname=host)

    def _ask(self, host: str, port: int, *command: str) -> Any:
        try:
            with self.connection(host, port) as link, link.makefile("rwb") as stream:
                for words in (("AUTH", self.given["user"], self.given["password"]), command):
                    stream.write(b"".join([b"*%d\r\n" % len(words), *(bulk(word) for word in words)]))
                    stream.flush()
                    answer = parsed(stream)
                return answer
        except (OSError, EOFError) as error:
            raise WrongError(f"{host}:{port} does not answer: {error}") from None


def main() -> None:
    """Do it, or say what is wrong when the time is over."""
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    fleet, address, timeout = Fleet(module.params["of"]), module.params["address"], module.params["timeout"]
    done: list[str] = []
    try:
        if module.params["state"] == "certified":
            done = certify(fleet, address, anew=module.params["anew"], look_only=module.check_mode)
        else:
            wait(lambda: ailing(fleet), timeout)
        if module.params["state"] == "spare":
            for use in [use for use in fleet.uses if role(fleet, address, use) == "master"]:
                done.append(f"{use}: another host takes over")
                if not module.check_mode:
                    take_over(fleet, address, use)
                    wait(lambda: ailing(fleet), timeout)
    except WrongError as error:
        module.fail_json(msg=str(error), done=done)
    module.exit_json(changed=bool(done), done=done, order=order(fleet) if module.params["state"] == "whole" else [])


def order(fleet: Fleet) -> list[str]:
    """All addresses, those last that are primary of most."""
    leading = [host for use in fleet.uses for host in primaries(fleet, fleet.hosts, use)]
    return sorted(fleet.hosts, key=leading.count)


def wait(wrong: Callable[[], list[str]], timeout: float) -> None:
    """Until nothing is wrong; raises WrongError with what still is."""
    until = time.monotonic() + timeout
    while found := wrong():
        if time.monotonic() > until:
            raise WrongError(f"after {timeout:g} s: {'; '.join(found)}")
        time.sleep(POLL)


def ailing(fleet: Fleet) -> list[str]:
    """What is not as it should be, in words; who does not answer is named."""
    try:
        return [*ailing_servers(fleet), *ailing_sentinels(fleet)]
    except WrongError as error:
        return [str(error)]


def ailing_servers(fleet: Fleet) -> Iterator[str]:
    """One primary a use, everybody else connected to it."""
    for use in fleet.uses:
        answers = {host: fleet.server(host, use, "ROLE") for host in fleet.hosts}
        leading = [host for host, answer in answers.items() if answer[0] == "master"]
        if len(leading) != 1:
            yield f"{use}: its primaries are {', '.join(leading) or 'none'}"
        yield from (
            f"{use}: {host} is not connected to its primary"
            for host, answer in answers.items()
            if answer[0] == "slave" and (answer[1] not in leading or answer[3] != "connected")
        )


def ailing_sentinels(fleet: Fleet) -> Iterator[str]:
    """All name the same primary, find nothing wrong with it, and know each other and its replicas."""
    others = str(len(fleet.hosts) - 1)
    for use in fleet.uses:
        told = {host: pairs(fleet.sentinel(host, "SENTINEL", "MASTER", use)) for host in fleet.hosts}
        if len({each["ip"] for each in told.values()}) != 1:
            yield f"{use}: the Sentinels name {sorted({each['ip'] for each in told.values()})}"
        for host, each in told.items():
            if each["flags"] != "master":
                yield f"{use}: the Sentinel on {host} finds its primary {each['flags']}"
            if (each["num-slaves"], each["num-other-sentinels"]) != (others, others):
                yield f"{use}: the Sentinel on {host} does not know all others"
            replicas = map(pairs, fleet.sentinel(host, "SENTINEL", "REPLICAS", use))
            yield from (
                f"{use}: the Sentinel on {host} misses {one['ip']}" for one in replicas if one["flags"] != "slave"
            )


def take_over(fleet: Fleet, address: str, use: str) -> None:
    """Have a replica of `use` become primary in the place of `address`, when it has all that was acknowledged.

    The Sentinels choose it. That `address` follows it is not left to them: what they tell it waits with the writes.
    """
    others = [host for host in fleet.hosts if host != address]
    fleet.server(address, use, "CLIENT", "PAUSE", str(PAUSE * 1000), "WRITE")
    try:
        wait(lambda: [] if caught_up(fleet, address, use) else [f"{use}: no replica has everything"], PAUSE / 2)
        fleet.sentinel(others[0], "SENTINEL", "FAILOVER", use)
        wait(lambda: [] if primaries(fleet, others, use) else [f"{use}: no other host is primary"], PAUSE)
        fleet.server(address, use, "REPLICAOF", primaries(fleet, others, use)[0], str(fleet.uses[use]))
        fleet.server(address, use, "CONFIG", "REWRITE")
        fleet.server(address, use, "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    finally:
        fleet.server(address, use, "CLIENT", "UNPAUSE")


def primaries(fleet: Fleet, hosts: list[str], use: str) -> list[str]:
    """Which of `hosts` take themselves for primary."""
    return [host for host in hosts if role(fleet, host, use) == "master"]


def caught_up(fleet: Fleet, address: str, use: str) -> bool:
    """Whether every replica has what its primary has."""
    _, offset, replicas = fleet.server(address, use, "ROLE")
    return bool(replicas) and all(int(each[2]) >= offset for each in replicas)


def role(fleet: Fleet, address: str, use: str) -> str:
    """`master` or `slave`."""
    return str(fleet.server(address, use, "ROLE")[0])


def certify(fleet: Fleet, address: str, *, anew: bool, look_only: bool) -> list[str]:
    """Have each process that shows another certificate than the one that lies there take that one; `anew`: all do."""
    folder = Path(fleet.given["folder"])
    now = ssl.PEM_cert_to_DER_cert(first((folder / "certificate.pem").read_text(encoding="ascii")))
    old = [use for use, port in fleet.uses.items() if anew or shown(address, port) != now]
    for use in old if not look_only else []:
        files = ("tls-cert-file", f"{folder}/certificate.pem", "tls-key-file", f"{folder}/key.pem")
        trust = ("tls-ca-cert-file", f"{folder}/ca.pem")
        fleet.server(address, use, "CONFIG", "SET", *files, *trust)
    if anew or shown(address, fleet.given["sentinel_port"]) != now:
        old.append("sentinel")
        if not look_only:
            subprocess.run(["systemctl", "restart", fleet.given["sentinel_unit"]], check=True, capture_output=True)
            wait(lambda: ailing_sentinel(fleet, address), ANSWER * 2)
    return [f"{name}: has read its certificate" for name in old]


def ailing_sentinel(fleet: Fleet, address: str) -> list[str]:
    """Whether it does not answer yet."""
    try:
        fleet.sentinel(address, "PING")
    except WrongError as error:
        return [str(error)]
    return []


def shown(host: str, port: int) -> bytes:
    """The certificate that a process shows; it may have ended, or be of an authority that is no longer trusted."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with socket.create_connection((host, port), ANSWER) as plain, context.wrap_socket(plain) as link:
            return link.getpeercert(binary_form=True) or b""
    except OSError as error:
        raise WrongError(f"{host}:{port} does not answer: {error}") from None


def first(pem: str) -> str:
    """The first certificate of a chain."""
    end = "-----END CERTIFICATE-----"
    return pem.partition(end)[0] + end


def pairs(answer: list[str]) -> dict[str, str]:
    """Names and values, one after the other."""
    return dict(zip(answer[::2], answer[1::2], strict=True))


def bulk(word: str) -> bytes:
    """A word as Redis reads it."""
    encoded = word.encode()
    return b"$%d\r\n%s\r\n" % (len(encoded), encoded)


def parsed(stream: Any) -> Any:
    """One answer; an error is raised as such."""
    line = stream.readline().rstrip(b"\r\n").decode()
    if not line:
        raise EOFError("it hung up")
    kind, rest = line[0], line[1:]
    if kind == "-":
        raise WrongError(f"Redis says: {rest}")
    if kind == ":":
        return int(rest)
    if kind == "$":
        return None if rest == "-1" else stream.read(int(rest) + 2)[:-2].decode(errors="replace")
    if kind == "*":
        return [parsed(stream) for _ in range(int(rest))]
    return rest


if __name__ == "__main__":
    main()
