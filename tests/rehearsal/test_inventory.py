"""An inventory is read as Ansible reads it, and refused as a whole with every reason, before anything is made."""

from pathlib import Path

import pytest

from rehearsal import Inventory, InventoryError
from rehearsal.inventory import HostEntry
from rehearsal.paths import PACKAGE

PRODUCTION = """\
all:
  vars:
    ansible_user: deploy
    token: !vault |
      $ANSIBLE_VAULT;1.1;AES256
  children:
    brokers:
      vars: {rehearsal_layers: [redis, rabbitmq]}
      children:
        rabbitmq:
    site_a:
      hosts:
        rabbit1.shop.example.com:
rabbitmq:
  hosts:
    rabbit1.shop.example.com: {ansible_host: 10.0.0.1, ansible_port: 22}
    rabbit2.shop.example.com: {ansible_host: 10.0.0.2, rehearsal_layers: [./extra]}
"""

BROKEN = """\
all:
  vars: {rehearsal_layers: rabbitmq}
  children:
    brokers:
      host: {}
      hosts:
        r1: {ansible_host: 10.0.0.1, rehearsal_layers: [rabitmq, ./nowhere]}
        r2: {ansible_host: 10.0.0.1}
        r3: {ansible_host: r3.example.com}
        r_4: {ansible_host: 127.0.0.1}
        web[1:3]:
        a.x: {ansible_host: 10.0.0.7}
        a.y: {ansible_host: 10.0.0.8}
    others:
      hosts:
        r1: {ansible_host: 10.0.0.9}
        controller: {ansible_host: 10.0.0.19}
        ? [h]
    third: [a]
"""
REASONS = """\
{file}:2:28 rehearsal_layers: expected a list: `rehearsal_layers: [rabbitmq]`
{file}:5:7 group brokers: unknown: host; did you mean hosts?
{file}:7:57 rehearsal_layers: unknown: rabitmq; did you mean rabbitmq?
{file}:7:66 host r1: rehearsal_layers: no such folder: {folder}/nowhere
{file}:8:28 host r2: ansible_host: 10.0.0.1 is r1's; give each its own
{file}:9:28 host r3: ansible_host: expected an IPv4 address, got: r3.example.com
{file}:10:9 host r_4: not a host name that Linux takes; use at most 64 of a-z, 0-9, - and .
{file}:10:29 host r_4: ansible_host: 127.0.0.1 is no address a host can have; use another
{file}:11:9 host web[1:3]: not a host name that Linux takes; write each host out
{file}:11:9 host web[1:3]: no ansible_host; give it an IPv4 address: `ansible_host: 10.0.0.1`
{file}:13:9 host a.y: would call itself a, as a.x does; rename one
{file}:16:28 host r1: ansible_host: 10.0.0.9, but 10.0.0.1 in line 7; keep one
{file}:17:9 host controller: this machine's side of the network is called so; choose another name
{file}:18:11 group others: hosts: a key must be a plain word
{file}:19:12 group third: expected a mapping of hosts, children, vars, got: a list"""


def test_an_inventory_as_production_has_it(tmp_path: Path) -> None:
    """Groups in groups, groups written in two places, variables from all around a host, vaults that are not opened."""
    (tmp_path / "extra").mkdir()
    file = tmp_path / "inventory.yml"
    file.write_text(PRODUCTION, encoding="utf-8")
    assert Inventory.read(file).hosts == (
        HostEntry("rabbit1.shop.example.com", "10.0.0.1", ("rabbitmq", "brokers", "site_a"), ("rabbitmq", "redis")),
        HostEntry(
            "rabbit2.shop.example.com",
            "10.0.0.2",
            ("rabbitmq", "brokers"),
            ("rabbitmq", "redis", str(tmp_path / "extra")),
        ),
    )


def test_the_example_is_an_inventory() -> None:
    """What `up` takes without being told another can be read."""
    hosts = Inventory.read(PACKAGE / "example.yml").hosts
    assert len(hosts) == 12
    assert {host.layers for host in hosts} == {("rabbitmq",), ("redis",), ("postgresql",), ("python",)}


def test_every_reason_is_given_at_once(tmp_path: Path) -> None:
    """Each with its line and column, in the order of the file, and with what to do."""
    file = tmp_path / "inventory.yml"
    file.write_text(BROKEN, encoding="utf-8")
    assert refusal(file) == REASONS.format(file=file, folder=tmp_path)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", " no hosts; write at least one: `workers: {hosts: {worker1: {ansible_host: 10.0.0.1}}}`"),
        (b"a: {hosts:}", ":1:1 no hosts; write at least one: `workers: {hosts: {worker1: {ansible_host: 10.0.0.1}}}`"),
        (b"- x", ":1:1 the inventory: expected a mapping of groups, got: a list"),
        (b"a: b", ":1:4 group a: expected a mapping of hosts, children, vars, got: `b`"),
        (b"a: [", ":1:5 not YAML: expected the node content, but found '<stream end>'"),
        (b"a: &x\n  children: {b: *x}", ":1:1 nested without end; write the values out"),
        (b"a: {vars: {rehearsal_layers: [[x]]}, hosts: {h: {ansible_host: 10.0.0.1}}}",
         (":1:31 rehearsal_layers: unknown: a list or a mapping; there are: "
         "python, rabbitmq, redis, valkey, postgresql, haproxy, packages")),
        (b"\0", " not YAML: unacceptable character #x0000: special characters are not allowed"),
        (b"\xff", " not UTF-8; save it as UTF-8"),
    ],
)  # fmt: skip
def test_what_is_no_inventory(content: bytes, reason: str, tmp_path: Path) -> None:
    """The place, as far as there is one, and the reason."""
    file = tmp_path / "inventory.yml"
    file.write_bytes(content)
    assert refusal(file) == f"{file}{reason}"


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    """The command to name another."""
    file = tmp_path / "inventory.yml"
    assert refusal(file) == (
        f"{file} cannot be read: No such file or directory; name the inventory with --inventory FILE"
    )


def refusal(file: Path) -> str:
    """The whole message."""
    with pytest.raises(InventoryError) as raised:
        Inventory.read(file)
    return str(raised.value)
