"""nginx, with TLS, before gunicorn: ../README.md."""

import json
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

import pytest
from testinfra.host import Host

testinfra_hosts = ["ansible://web"]

Variables = Mapping[str, Any]
#: Run on the host with URL, AUTHORITIES, NAME and ADDRESS; prints the answer's status, where it leads, and its text, as
#: JSON. Asks that address, whatever name servers say, and verifies the name.
GET: Final = """
import http.client, json, socket, ssl, sys, urllib.parse
url, authorities, name, address = sys.argv[1:]
parts = urllib.parse.urlsplit(url)
plain = socket.create_connection((address, parts.port or {"http": 80, "https": 443}[parts.scheme]), timeout=20)
connection = http.client.HTTPConnection(name)
if parts.scheme == "https":
    plain = ssl.create_default_context(cafile=authorities or None).wrap_socket(plain, server_hostname=name)
connection.sock = plain
connection.request("GET", parts.path, headers={"Host": parts.netloc})
answer = connection.getresponse()
print(json.dumps([answer.status, answer.getheader("Location"), answer.read().decode(errors="replace")]))
"""


class Answer(NamedTuple):
    """Of the site."""

    status: int
    location: str | None
    text: str


#: Asks the host for a page of the site.
Get = Callable[[str], Answer]


@pytest.fixture(scope="module")
def get(ask: Callable[..., str], variables: Variables) -> Get:
    """As a customer who trusts our authority; or all of them, where the certificate is a public one's."""
    own = variables["web_certificates_services"]
    authorities = variables["project_ca_file"] if own else ""

    def get(url: str) -> Answer:
        arguments = (url, authorities, variables["project_domain"], variables["ansible_host"])
        return Answer(*json.loads(ask("python3 -c %s %s %s %s %s", GET, *arguments, what=url)))

    return get


def test_nginx_runs(unsettled: Callable[..., list[str]], variables: Variables) -> None:
    """It does, after a boot as well, with what lies there; so does gunicorn behind it."""
    project = variables["project"]
    told = unsettled(
        [*variables["web_units"], {"name": f"celery-web-{project}.socket"}, {"name": f"celery-web-{project}.service"}]
    )
    assert not told, "; ".join(told)


def test_nginx_could_start_again(host: Host) -> None:
    """What lies there is whole, and it may read its key."""
    done = host.run("/usr/sbin/nginx -t -q")
    assert done.succeeded, f"nginx -t: {done.stderr.strip()}"


def test_plain_requests_are_sent_to_tls(get: Get, variables: Variables) -> None:
    """And never answered."""
    domain = variables["project_domain"]
    answer = get(f"http://{domain}/some/page")
    wanted = f"https://{domain}/some/page"
    assert answer.status == 301, f"port 80 answers {answer.status}"
    assert answer.location == wanted, f"port 80 sends to {answer.location}, not {wanted}"


def test_site_answers_with_a_good_certificate(get: Get, variables: Variables) -> None:
    """For its domain; gunicorn answers behind it."""
    answer = get(f"https://{variables['project_domain']}/healthz")
    assert answer.status == 200, f"/healthz answers {answer.status}: {answer.text[:200]}"


def test_site_reaches_everything(get: Get, variables: Variables) -> None:
    """Database, broker and results."""
    answer = get(f"https://{variables['project_domain']}/readyz")
    assert answer.status == 200, f"/readyz answers {answer.status}: {answer.text[:300]}"


def test_old_tls_is_refused(host: Host, variables: Variables) -> None:
    """By the server: the client would do with 1.1, whatever this host's own settings say."""
    address = f"{variables['ansible_host']}:443"
    client = "openssl s_client -connect %s -tls1_1 -cipher ALL:@SECLEVEL=0 </dev/null"
    said = host.run(client, address)
    assert "alert protocol version" in said.stderr, "port 443 does not refuse TLS 1.1"


def test_flower_is_at_one_host(host: Host, get: Get, variables: Variables) -> None:
    """It asks for a password, and shows neither metrics nor health; on the others nobody listens at its port."""
    port = variables["web_flower_port"]
    ports = {name.rpartition(":")[2] for name in host.socket.get_listening_sockets()}
    if variables["inventory_hostname"] != variables["project_flower_host"]:
        assert str(port) not in ports, f"port {port} is open, which is for {variables['project_flower_host']}"
        return
    site = f"https://{variables['project_domain']}:{port}"
    found = {path: get(f"{site}{path}").status for path in ("/", "/metrics", "/healthcheck")}
    wanted = {"/": 401, "/metrics": 404, "/healthcheck": 404}
    told = [f"{path} answers {status}" for path, status in found.items() if status != wanted[path]]
    assert not told, "; ".join(told)
