"""Speaks with servers and Sentinels of Redis: has a host join, waits until all is whole, makes a host spare."""

import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
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
      - C(joined) tells a host that has not started yet who is primary, as the others' Sentinels say; where none answers
        it is left as it is, for then there is no one to join.
      - C(whole) waits until each use has one primary that all Sentinels agree on, followed by all other hosts.
        Sentinels forget hosts that are none any more. It returns as C(order) the addresses, those last that are
        primary of most, so that few need to be made spare.
      - C(spare) waits for that, too, then has each use of which C(address) is primary taken over by another host.
        Writes wait until the others have everything, so none that was acknowledged is lost.
      - C(certified) has the processes at C(address) show the certificate that lies there now; others are not asked.
        With C(anew) they read it where they show it already, too, because whom they trust may be new.
    choices: [joined, whole, spare, certified]
    required: true
  address:
    description: Of the host that it is about.
    type: str
    required: true
  of:
    description:
      - C(hosts) are the addresses of all; C(uses) the ports of the servers by use, C(sentinel_port) the Sentinels' one.
      - C(user) and C(password) are an administrator's; ca.pem, certificate.pem and key.pem lie in C(folder).
      - C(own) is the folder in which each process keeps what it decided, C(account) whose it is; C(quorum) how many
        Sentinels have to agree.
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
    "own": {"type": "path", "required": True},
    "account": {"type": "str", "required": True},
    "quorum": {"type": "int", "required": True},
}
ARGUMENTS = {
    "state": {"type": "str", "choices": ["joined", "whole", "spare", "certified"], "required": True},
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
    fleet, address = Fleet(module.params["of"]), module.params["address"]
    done: list[str] = []
    try:
        done = STATES[module.params["state"]](fleet, address, module)
    except WrongError as error:
        module.fail_json(msg=str(error), done=done)
    module.exit_json(changed=bool(done), done=done, order=order(fleet) if module.params["state"] == "whole" else [])


def joined(fleet: Fleet, address: str, module: AnsibleModule) -> list[str]:
    """Write what a host that was there before would remember: who is primary."""
    others = [host for host in fleet.hosts if host != address]
    folder = Path(fleet.given["own"])
    known = {use: who for use in fleet.uses if (who := asked_of(fleet, others, use))}
    seeds = {use: f"replicaof {who} {fleet.uses[use]}\n" for use, who in known.items() if who != address}
    monitors = (f"sentinel monitor {use} {known[use]} {fleet.uses[use]} {fleet.given['quorum']}\n" for use in known)
    seeds |= {"sentinel": text} if (text := "".join(monitors)) else {}
    new = {name: text for name, text in seeds.items() if not (folder / name / "own.conf").exists()}
    for name, text in new.items() if not module.check_mode else ():
        (folder / name).mkdir(exist_ok=True)
        (folder / name / "own.conf").write_text(text, encoding="ascii")
        for path in (folder / name, folder / name / "own.conf"):
            shutil.chown(path, fleet.given["account"], fleet.given["account"])
            path.chmod(0o700 if path.is_dir() else 0o600)
    return [f"{name}: joins the others" for name in new]


def asked_of(fleet: Fleet, hosts: list[str], use: str) -> str:
    """Who is primary of `use`, as the first Sentinel says that answers; nothing where none does."""
    for host in hosts:
        with suppress(WrongError):
            if answer := fleet.sentinel(host, "SENTINEL", "GET-MASTER-ADDR-BY-NAME", use):
                return str(answer[0])
    return ""


def whole(fleet: Fleet, address: str, module: AnsibleModule) -> list[str]:
    """Wait for it, once nobody looks out for hosts that are gone."""
    del address
    done = []
    for host in fleet.hosts:
        for use in fleet.uses:
            if gone := strangers(fleet, host, use):
                done.append(f"{use}: the Sentinel on {host} forgets {', '.join(gone)}")
                if not module.check_mode:
                    fleet.sentinel(host, "SENTINEL", "RESET", use)
                    wait(lambda host=host, use=use: ailing_sentinel(fleet, host, use), module.params["timeout"])
    if not (done and module.check_mode):
        wait(lambda: ailing(fleet), module.params["timeout"])
    return done


def strangers(fleet: Fleet, host: str, use: str) -> list[str]:
    """Addresses that a Sentinel knows and that are none of the hosts any more; nothing where it does not answer."""
    known: list[list[str]] = []
    with suppress(WrongError):
        for about in ("REPLICAS", "SENTINELS"):
            known += fleet.sentinel(host, "SENTINEL", about, use)
    return sorted({pairs(each)["ip"] for each in known} - set(fleet.hosts))


def spare(fleet: Fleet, address: str, module: AnsibleModule) -> list[str]:
    """Have others be primary."""
    done = whole(fleet, address, module)
    for use in [use for use in fleet.uses if role(fleet, address, use) == "master"]:
        done.append(f"{use}: another host takes over")
        if not module.check_mode:
            take_over(fleet, address, use)
            wait(lambda: ailing(fleet), module.params["timeout"])
    return done


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
    for use in fleet.uses:
        named = {asked_of(fleet, [host], use) for host in fleet.hosts}
        if len(named) != 1:
            yield f"{use}: the Sentinels name {', '.join(sorted(named))}"
        for host in fleet.hosts:
            yield from ailing_sentinel(fleet, host, use)


def ailing_sentinel(fleet: Fleet, host: str, use: str) -> list[str]:
    """What one Sentinel does not find as it should be."""
    others = str(len(fleet.hosts) - 1)
    told = pairs(fleet.sentinel(host, "SENTINEL", "MASTER", use))
    replicas = map(pairs, fleet.sentinel(host, "SENTINEL", "REPLICAS", use))
    found = [f"misses {replica['ip']}" for replica in replicas if replica["flags"] != "slave"]
    if told["flags"] != "master":
        found.append(f"finds its primary {told['flags']}")
    if (told["num-slaves"], told["num-other-sentinels"]) != (others, others):
        found.append("does not know all others")
    return [f"{use}: the Sentinel on {host} {each}" for each in found]


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


def certified(fleet: Fleet, address: str, module: AnsibleModule) -> list[str]:
    """Have each process that shows another certificate than the one that lies there take that one; `anew`: all do."""
    folder, anew = Path(fleet.given["folder"]), module.params["anew"]
    now = ssl.PEM_cert_to_DER_cert(first((folder / "certificate.pem").read_text(encoding="ascii")))
    ports = {**fleet.uses, "sentinel": fleet.given["sentinel_port"]}
    old = [name for name, port in ports.items() if anew or shown(address, port) != now]
    for name in old if not module.check_mode else ():
        if name == "sentinel":
            subprocess.run(["systemctl", "restart", fleet.given["sentinel_unit"]], check=True, capture_output=True)
            wait(lambda: silent(fleet, address), ANSWER * 2)
        else:
            files = ("tls-cert-file", f"{folder}/certificate.pem", "tls-key-file", f"{folder}/key.pem")
            fleet.server(address, name, "CONFIG", "SET", *files, "tls-ca-cert-file", f"{folder}/ca.pem")
    return [f"{name}: has read its certificate" for name in old]


def silent(fleet: Fleet, address: str) -> list[str]:
    """Why a Sentinel does not answer yet."""
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


STATES = {"joined": joined, "whole": whole, "spare": spare, "certified": certified}


if __name__ == "__main__":
    main()
