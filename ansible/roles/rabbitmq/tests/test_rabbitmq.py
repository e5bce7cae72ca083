"""A node of RabbitMQ's cluster: ../README.md."""

import json
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

import pytest
from testinfra.host import Host

testinfra_hosts = ["ansible://rabbitmq"]

Variables = Mapping[str, Any]
#: Asks the node, through its command line; returns the answer's JSON.
Ctl = Callable[..., Any]
#: What `rabbitmqctl` leaves with where it did not reach its node within rabbitmq_link_setup_timeout: ask again.
BUSY: Final = 69
TRIES: Final = 10
#: Seconds that an answer may take.
PATIENCE: Final = 15
#: What listens, as RabbitMQ calls it, and the variable that has its port. All are TLS: those without have other names.
LISTENERS: Final = {
    "amqp/ssl": "rabbitmq_amqps_port",
    "https": "rabbitmq_management_port",
    "https/prometheus": "rabbitmq_prometheus_port",
    "clustering": "rabbitmq_distribution_port",
}


@pytest.fixture(scope="module")
def ctl(host: Host) -> Ctl:
    """Patient where the host is busy, and not where nobody is to be asked."""
    assert host.service("rabbitmq-server").is_running, "the node does not run"

    def ctl(*arguments: str) -> Any:
        command = f"rabbitmqctl --quiet --timeout {PATIENCE}" + " %s" * len(arguments) + " --formatter json"
        for _ in range(TRIES):
            done = host.run(command, *arguments)
            if done.rc != BUSY:
                break
            time.sleep(1)
        asked = f"rabbitmqctl {' '.join(arguments)}"
        assert "{:timeout" not in done.stderr, f"not all nodes answer within {PATIENCE} s: {asked}"
        assert done.rc == 0, f"{asked}: {(done.stderr or done.stdout).strip().splitlines()[0]}"
        return json.loads(done.stdout)

    return ctl


@pytest.fixture(scope="module")
def cluster(ctl: Ctl) -> dict[str, Any]:
    """What the node thinks of its cluster."""
    return ctl("cluster_status")


@pytest.fixture(scope="module")
def nodes(variables: Variables) -> set[str]:
    """Those that the inventory names."""
    return {f"rabbit@{name}" for name in variables["rabbitmq_nodes"]}


def test_server_and_rejoin_run(unsettled: Callable[..., list[str]], variables: Variables) -> None:
    """Both do, after a boot as well, with the files that lie there."""
    told = unsettled(variables["rabbitmq_units"])
    assert not told, "; ".join(told)


def test_files_are_kept_from_others(misplaced: Callable[..., list[str]], variables: Variables) -> None:
    """The cookie, the users' passwords and the settings are the server's."""
    told = misplaced(variables["rabbitmq_files"])
    assert not told, "; ".join(told)


def test_all_nodes_run(cluster: dict[str, Any], nodes: set[str]) -> None:
    """The inventory's nodes are the cluster, and this one sees all of them."""
    members, running = set(cluster["disk_nodes"]), set(cluster["running_nodes"])
    assert members == nodes, (
        f"the cluster is {', '.join(sorted(members))}; the inventory has {', '.join(sorted(nodes))}"
    )
    assert running == nodes, f"it does not see {', '.join(sorted(nodes - running))}"


def test_no_split(cluster: dict[str, Any]) -> None:
    """It parted from nobody; rabbitmq-rejoin ends it where it did."""
    assert not cluster["partitions"], f"network partitions: {cluster['partitions']}; journalctl -u rabbitmq-rejoin"


def test_publishers_are_let_in(cluster: dict[str, Any]) -> None:
    """No alarm of memory or disk blocks them, and no node was drained and forgotten."""
    alarms = [f"{alarm.get('resource', alarm['type'])} at {alarm['node']}" for alarm in cluster["alarms"]]
    assert not alarms, f"publishers wait, for lack of {', '.join(alarms)}"
    drained = [node for node, status in cluster["maintenance_status"].items() if status != "not under maintenance"]
    assert not drained, f"under maintenance: {', '.join(drained)}"


def test_every_port_is_tls(cluster: dict[str, Any], ask: Callable[..., str], variables: Variables) -> None:
    """The plain ones are closed; between the nodes and from their tools it is TLS, too."""
    found = {
        (one["protocol"], one["port"]) for one in cluster["listeners"][f"rabbit@{variables['inventory_hostname']}"]
    }
    wanted = {(protocol, variables[name]) for protocol, name in LISTENERS.items()}
    told = [f"{protocol} at {port}" for protocol, port in sorted(found ^ wanted)]
    assert not told, f"listens too much or too little: {', '.join(told)}"
    arguments = ask("ps -C beam.smp -o args= || :")
    assert "-proto_dist inet_tls" in arguments, "the nodes talk to each other without TLS"


def test_users_may_do_what_their_role_does(ctl: Ctl, variables: Variables) -> None:
    """Each has the permissions of defaults/main.yml in the project's virtual host; guest is gone."""
    project, roles = variables["rabbitmq_project"], variables["rabbitmq_users"]
    tags = {one["user"]: one["tags"] for one in ctl("list_users")}
    assert "guest" not in tags, "there is a user guest, whose password everybody knows"
    has = {one.pop("user"): one for one in ctl("list_permissions", "--vhost", project)}
    told = []
    for role, may in roles.items():
        user = f"{project}_{role}{variables['rabbitmq_login_suffix']}"
        rights = {name: may[name] for name in ("configure", "write", "read")}
        if user not in tags:
            told.append(f"{user} is not there")
        elif tags[user] != may["tags"] or has.get(user) != rights:
            told.append(f"{user} may do something else")
    assert not told, "; ".join(told)


def test_queues_outlive_a_node(ctl: Ctl, nodes: set[str], variables: Variables) -> None:
    """Each quorum queue that this node leads has a member on every node, and a majority of them online."""
    queues = ctl(
        "list_queues", "--vhost", variables["rabbitmq_project"], "--local", "name", "type", "members", "online"
    )
    quorum = [queue for queue in queues if queue["type"] == "quorum"]
    few = [queue["name"] for queue in quorum if len(queue["online"]) <= len(nodes) // 2]
    assert not few, f"no majority is online of {', '.join(few)}"
    narrow = [queue["name"] for queue in quorum if not nodes <= set(queue["members"])]
    assert not narrow, f"not on every node: {', '.join(narrow)}"


def test_groups_have_their_queues(ctl: Ctl, variables: Variables) -> None:
    """And one each for what is given up: all of them quorum queues."""
    project = variables["rabbitmq_project"]
    if variables["project_broker"] != "rabbitmq":
        pytest.skip("Redis carries the messages")
    found = {queue["name"]: queue["type"] for queue in ctl("list_queues", "--vhost", project, "name", "type")}
    wanted = [name for group in variables["project_topology"]["groups"] for name in (group, f"{group}.dead")]
    told = [name for name in wanted if found.get(name) != "quorum"]
    assert not told, f"no quorum queue: {', '.join(told)}; deploy declares them"
