"""What hosts run and reach, as it follows from an inventory; and which release a fleet goes back to."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.fleet.project import ANSIBLE
from tests.playbooks.local import FOLDER, told

OLD, SERVING, NEW = "20260101T000000-aaaaaaaaaaaa", "20260102T000000-bbbbbbbbbbbb", "20260103T000000-cccccccccccc"


def host(current: str, previous: str = "") -> list[str]:
    """What a host says of its releases."""
    return [f"current=releases/{current}", f"previous={previous and f'releases/{previous}'}", "serves=active"]


def before(tmp_path: Path, *hosts: list[str]) -> str:
    """The choice, or why there is none."""
    said = told(tmp_path, "ansible.builtin.debug", {"msg": f"{{{{ {json.dumps(hosts)} | release_before }}}}"})
    return str(said["msg"])


@pytest.mark.parametrize(
    ("hosts", "chosen"),
    [
        ([host(NEW, SERVING), host(NEW, SERVING)], SERVING),  # all of them had it
        ([host(NEW, SERVING), host(SERVING, OLD)], SERVING),  # a roll was cut short
        ([host(NEW, SERVING), host(NEW)], SERVING),  # one host is new
        ([host(SERVING, NEW), host(SERVING, NEW)], "is not clear"),  # a rollback has been: not forward again
        ([host(NEW, SERVING), host(NEW, OLD)], "is not clear"),
        ([host(NEW)], "is not clear"),  # the first release
    ],
)
def test_where_a_fleet_goes_back_to(tmp_path: Path, hosts: list[list[str]], chosen: str) -> None:
    """The release that all of them ran; where that is not clear nobody guesses."""
    assert chosen in before(tmp_path, *hosts)


INVENTORY = {
    "rabbitmq": {"hosts": {"r1": None, "r2": None}},
    "redis": {"hosts": {"s1": None}},
    "postgresql": {"hosts": {"db1": None}},
    "web": {"hosts": {"w1": None, "w2": None}},
    "beat": {"hosts": {"w1": None, "w2": None}},
    "workers_batch": {"hosts": {"k1": None}},
    "workers_ml": {"hosts": {"k1": None}},
}
VAULT = {
    "secret_key": "sk",
    "rabbitmq": {"passwords": {"web": "pw", "worker": "pk", "relay": "pr", "deploy": "pd", "monitoring": "pm"}},
    "redis": {"application": "ra"},
    "postgresql": {"application": "pa"},
    "flower": {"password": "fp", "cookie_secret": "fc"},
}
ASKED = ("project_services", "project_credential_roles", "project_credentials", "project_environment")


@pytest.fixture(scope="module")
def derived(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """Some variables of each host."""
    return asked(tmp_path_factory.mktemp("derived"), {})


def asked(folder: Path, more: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The same with further variables."""
    environment = folder / "environments/production"
    environment.mkdir(parents=True)
    (environment / "inventory.yml").write_text(yaml.safe_dump(INVENTORY))
    for part in ("workers.yml", "environments/production/sizes.yml"):
        (folder / part).write_text("{}")
    variables = {"project": "shop", "project_domain": "shop.example.com", "vault": VAULT, **more}
    (folder / "variables.yml").write_text(yaml.safe_dump(variables))
    tell = {"msg": {name: f"{{{{ {name} }}}}" for name in ASKED}}
    tasks = [{"name": "Tell", "ansible.builtin.debug": tell}]
    play = {"hosts": "all", "connection": "local", "roles": ["project"], "tasks": tasks}
    playbook = folder / "ansible/playbook.yml"
    playbook.parent.mkdir()
    playbook.write_text(yaml.safe_dump([play]))
    inventory = ["--inventory", str(environment / "inventory.yml"), "--extra-vars", f"@{folder}/variables.yml"]
    command = [str(ANSIBLE / "bin/ansible-playbook"), *inventory, str(playbook)]
    own = {"ANSIBLE_CONFIG": str(FOLDER / "ansible.cfg"), "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json"}
    environment_variables = {**os.environ, **own, "ANSIBLE_ROLES_PATH": str(FOLDER / "roles")}
    done = subprocess.run(command, env=environment_variables, capture_output=True, text=True, check=False)
    said = json.loads(done.stdout)["plays"][0]["tasks"][-1]["hosts"]
    return {name: each["msg"] for name, each in said.items()}


def test_what_a_host_runs(derived: dict[str, dict[str, Any]]) -> None:
    """What is done once, on the first host of its kind only."""
    services = {name: set(derived[name]["project_services"]) for name in ("w1", "w2", "k1", "db1")}
    assert services == {
        "w1": {"web", "beat", "relay", "dead", "sessions", "flower"},
        "w2": {"web", "beat", "relay"},
        "k1": {"batch", "ml"},
        "db1": set(),
    }


def test_a_host_gets_the_secrets_of_what_it_runs(derived: dict[str, dict[str, Any]]) -> None:
    """The password that may take tasks is on hosts of workers, and with Flower; the one that declares is on one."""
    roles = {name: set(derived[name]["project_credential_roles"]) & {"worker", "flower", "deploy"} for name in derived}
    assert {name: found for name, found in roles.items() if found} == {"w1": {"flower", "deploy"}, "k1": {"worker"}}


def test_urls_follow_from_the_inventory(derived: dict[str, dict[str, Any]]) -> None:
    """A user a role, every node, names that certificates carry."""
    secrets = derived["k1"]["project_credentials"]
    assert secrets["all"]["BROKER_URL"] == "amqps://shop_web:pw@r1:5671/shop;amqps://shop_web:pw@r2:5671/shop"
    assert secrets["worker"]["BROKER_URL"].startswith("amqps://shop_worker:pk@r1:5671/shop;")
    assert secrets["deploy"]["BROKER_ADMIN_URL"] == "https://shop_deploy:pd@r1:15671;https://shop_deploy:pd@r2:15671"
    assert secrets["all"]["DATABASE_URL"] == "postgres://shop:pa@db1:5432/shop"
    assert secrets["all"]["SENTINEL_URL"] == "sentinel://shop:ra@s1:26379"
    assert secrets["all"]["LOCK_URL"] == "sentinel://shop:ra@results/1"
    assert derived["k1"]["project_environment"]["ENVIRONMENT"] == "production"


def test_somebody_elses_redis_and_database(tmp_path: Path) -> None:
    """A URL over ours; the database's password is the vault's. Redis as the broker is one user for all."""
    more = {
        "project_broker": "redis",
        "postgresql_url": "postgres://me@db.example.com:5433/mine",
        "project_credentials_more": {"all": {"RESULT_URL": "rediss://:x@redis.example.com:6380/0"}},
    }
    secrets = asked(tmp_path, more)["k1"]["project_credentials"]
    assert secrets["all"]["DATABASE_URL"] == "postgres://me:pa@db.example.com:5433/mine"
    assert secrets["all"]["RESULT_URL"] == "rediss://:x@redis.example.com:6380/0"
    assert secrets["worker"]["BROKER_URL"] == "sentinel://shop:ra@broker/0"
    assert secrets["deploy"]["BROKER_ADMIN_URL"] == ""


def test_while_passwords_are_rotated_users_are_others(tmp_path: Path) -> None:
    """In RabbitMQ and PostgreSQL; Redis knows two passwords a user."""
    secrets = asked(tmp_path, {"project_login_suffix": "_next"})["k1"]["project_credentials"]
    assert secrets["worker"]["BROKER_URL"].startswith("amqps://shop_worker_next:pk@r1:5671/shop;")
    assert secrets["all"]["DATABASE_URL"] == "postgres://shop_next:pa@db1:5432/shop"
    assert secrets["all"]["CACHE_URL"] == "sentinel://shop:ra@cache/0"
