"""The typed environment: what is accepted, and how it is reported what is not."""

import os
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from config.env import Environment, Variables, environment, load, loaded, select_settings, variable
from tests.config.samples import LOCAL, PRODUCTION, SetEnvironment


class AppEnvironment(Variables):
    """What some app declares."""

    app_token: SecretStr = variable("12 or more characters", example="(random)", min_length=12)


def report(*kinds: type[Variables]) -> list[str]:
    """Load the variables and return the lines that say what is wrong."""
    with pytest.raises(ImproperlyConfigured) as refused:
        load(*kinds)
    return str(refused.value).splitlines()


def test_production_values_are_accepted(variables_are: SetEnvironment) -> None:
    """What production sets arrives with its type."""
    variables_are(PRODUCTION, WEB_PORT="8080", ALLOWED_HOSTS="a.example.com, b.example.com")
    env = environment()
    assert (env.environment, env.web_port) == ("production", 8080)
    assert env.allowed_hosts == ("a.example.com", "b.example.com")
    assert env.log_format == "json"
    assert env.sentry_dsn is None


def test_everything_that_is_wrong_is_reported_at_once(variables_are: SetEnvironment) -> None:
    """One report names the missing and the malformed, the project's and the apps', a line each."""
    changes = {"WEB_PORT": "80a", "SECRET_KEY": "sh0rt", "APP_TOKEN": "tiny"}
    variables_are(PRODUCTION, **changes, EMAIL_HOST="", DATA_DIR="")
    assert report(Environment, AppEnvironment) == [
        "5 environment variables are missing or wrong (ENVIRONMENT=production):",
        "  SECRET_KEY: found 5 characters (not shown); expected 50 or more random characters; for example SECRET_KEY=$(python -c 'import secrets; print(secrets.token_urlsafe(48))'); put it in a credential file of that name",
        "  DATA_DIR: not set; expected a directory that the web and the workers of every host share; for example DATA_DIR=/srv/shop/shared; put it in the service's environment",
        "  WEB_PORT: found '80a'; expected a port from 1 to 65535; for example WEB_PORT=8000; put it in the service's environment",
        "  EMAIL_HOST: not set; expected a host name; for example EMAIL_HOST=smtp.example.com; put it in the service's environment",
        "  APP_TOKEN: found 4 characters (not shown); expected 12 or more characters; for example APP_TOKEN=(random); put it in a credential file of that name",
    ]


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("BROKER_URL", "amqp://u:pw@rabbit.internal/v", "found 'amqp' to another host without TLS"),
        ("BROKER_URL", "amqps://rabbit.internal/v", "found a URL without a password"),
        ("BROKER_URL", "amqps://u:pw@a/v;rediss://:pw@b/0", "found URLs with different schemes"),
        ("BROKER_URL", "sqs://u:pw@aws", "found the scheme 'sqs'"),
        ("BROKER_URL", ";", "found no URL"),
        ("BROKER_URL", "memory://", "found the scheme 'memory'"),
        ("RESULT_URL", "redis://:pw@10.0.0.1/1", "found 'redis' to another host without TLS"),
        ("RESULT_URL", "amqps://u:pw@rabbit.internal/v", "found the scheme 'amqps'"),
        ("RESULT_FALLBACK_URL", "https://bucket.s3.example.com", "found the scheme 'https'"),
        ("RESULT_FALLBACK_URL", "s3:///results", "found a URL without a bucket"),
        ("RESULT_FALLBACK_URL", "s3://key:secret@bucket", "found a login; AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"),
        ("RESULT_FALLBACK_URL", "s3://bucket?endpint=https://minio", "found 'endpint', which is neither endpoint nor"),
        ("RESULT_FALLBACK_URL", "s3://bucket?endpoint=minio:9000", "found an endpoint that is no http or https URL"),
        ("RESULT_FALLBACK_URL", "s3://b?endpoint=http://minio:9000", "found an endpoint on another host without TLS"),
        ("SENTINEL_URL", "sentinel://u:pw@s1:26379", "found 'sentinel' to another host without TLS"),
        ("CACHE_URL", "sentinel://u:pw@cache/0", "found the scheme 'sentinel', but no valid SENTINEL_URL"),
        ("CACHE_URL", "rediss://:pw@/2", "found a URL without a host"),
        ("LOCK_URL", "rediss://:half/of@redis.internal/3", "found what is no URL"),
        ("LOCK_URL", "redis.internal:6379", "found what is no URL"),
        ("DATABASE_URL", "sqlite:////srv/db.sqlite3", "found 'sqlite', a file on one host, which production refuses"),
        ("DATABASE_URL", "oracle://u:pw@db/x", "found the scheme 'oracle'"),
        ("EMBEDDED_REDIS", "true", "found true, but the embedded Redis is for ENVIRONMENT=local and test only"),
        ("SITE_URL", "http://shop.example.com", "found 'http://shop.example.com'; production is reached with https"),
        ("TLS_CA_FILE", "/nowhere/ca.pem", "found '/nowhere/ca.pem', which cannot be read"),
        ("SENTRY_DSN", "https://sentry.example.com/1", "found an address without a key"),
        ("LOG_LEVEL", "LOUD", "found 'LOUD'"),
        ("ENVIRONMENT", "prod", "found 'prod'; expected local, test, staging or production"),
    ],
)
def test_production_refuses(variables_are: SetEnvironment, name: str, value: str, said: str) -> None:
    """Each refusal has a line of its own that says what was found."""
    variables_are(PRODUCTION, **{name: value})
    assert any(line.startswith(f"  {name}: {said}") for line in report(Environment))


@pytest.mark.parametrize(
    "url", ["redis://:pw@127.0.0.1/1", "redis://:pw@[::1]:6379/1", "redis://:pw@localhost/1", "rediss://:pw@far/1"]
)
def test_production_accepts_the_loopback_and_tls(variables_are: SetEnvironment, url: str) -> None:
    """A proxy on the same machine may end TLS."""
    variables_are(PRODUCTION, RESULT_URL=url)
    load(Environment)


@pytest.mark.parametrize(
    "url", ["s3://bucket", "s3://bucket/a/b?region=eu-central-1", "s3://b?endpoint=https://minio.internal:9000"]
)
def test_results_may_fall_back_on_a_bucket(variables_are: SetEnvironment, url: str) -> None:
    """Amazon's, or one's own."""
    variables_are(PRODUCTION, RESULT_FALLBACK_URL=url)
    load(Environment)


SENTINELS = "sentinel://u:pw@s1:26379;sentinel://u:pw@s2:26379"


def test_a_ca_file_makes_sentinel_acceptable(variables_are: SetEnvironment) -> None:
    """Sentinel's scheme has no TLS form; the CA file is what says so."""
    variables_are(PRODUCTION, SENTINEL_URL=SENTINELS, CACHE_URL="sentinel://u:pw@cache/0", TLS_CA_FILE=__file__)
    load(Environment)


def test_a_sentinels_address_is_not_taken_for_a_primary(variables_are: SetEnvironment) -> None:
    """The two kinds of URL look alike, and a name that nobody knows would only show at the first connection."""
    variables_are(PRODUCTION, SENTINEL_URL=SENTINELS, CACHE_URL="sentinel://u:pw@s1:26379/0", TLS_CA_FILE=__file__)
    with pytest.raises(
        ImproperlyConfigured, match="CACHE_URL: found a port; behind Sentinels the host is the primary's"
    ):
        load(Environment)


def test_local_needs_only_secrets_and_addresses(variables_are: SetEnvironment) -> None:
    """A developer's machine has values of its own for the rest."""
    variables_are(LOCAL)
    env = environment()
    assert env.is_local
    assert env.log_format == "console"
    assert env.database_url.get_secret_value().startswith("sqlite:///")


def test_tests_need_nothing(variables_are: SetEnvironment) -> None:
    """Without a variable or a .env, no test can reach a real service."""
    variables_are(ENVIRONMENT="test")
    assert environment().broker_url.get_secret_value() == "memory://"


def test_the_process_is_stronger_than_a_credential_and_that_than_the_file(
    variables_are: SetEnvironment, tmp_path: Path
) -> None:
    """The nearer to the process, the stronger."""
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    for name, value in {"WEB_PORT": "1", "FLOWER_PORT": "2\n", "LOG_LEVEL": "ERROR"}.items():
        (credentials / name).write_text(value)
    (tmp_path / ".env").write_text("WEB_PORT=3\nFLOWER_PORT=3\nLOG_LEVEL=DEBUG\nEMAIL_PORT=3\n")
    variables_are(LOCAL, WEB_PORT="4", CREDENTIALS_DIRECTORY=str(credentials))
    env = environment()
    assert (env.web_port, env.flower_port, env.log_level, env.email_port) == (4, 2, "ERROR", 3)


@pytest.mark.parametrize(
    ("files", "port"),
    [
        ({"shop.all.WEB_PORT": "1"}, 1),
        ({"shop.all.WEB_PORT": "1", "shop.worker.WEB_PORT": "2"}, 2),
        ({"shop.all.WEB_PORT": "1", "shop.worker.WEB_PORT": "2", "WEB_PORT": "3"}, 3),
        ({"shop.worker.WEB_PORT": "", "shop.worker.FLOWER_PORT": "1"}, 8000),
    ],
)
def test_a_roles_own_credential_goes_before_what_all_share(
    variables_are: SetEnvironment, tmp_path: Path, files: dict[str, str], port: int
) -> None:
    """As the units import them from the store: workers and web log in to the broker as different users."""
    for name, value in files.items():
        (tmp_path / name).write_text(value)
    variables_are(PRODUCTION, CREDENTIALS_DIRECTORY=str(tmp_path))
    assert environment().web_port == port


def test_a_credential_that_is_no_text_is_reported_without_its_bytes(
    variables_are: SetEnvironment, tmp_path: Path
) -> None:
    """An encrypted one that nobody has decrypted, say."""
    (tmp_path / "shop.worker.SECRET_KEY").write_bytes(b"\xff\xfe secret")
    variables_are(LOCAL, CREDENTIALS_DIRECTORY=str(tmp_path))
    [said] = report(Environment)
    assert said == f"the credential {tmp_path}/shop.worker.SECRET_KEY cannot be read as text: UnicodeDecodeError"


@pytest.mark.parametrize("name", ["test", "staging", "production"])
def test_only_a_local_run_reads_the_file(variables_are: SetEnvironment, tmp_path: Path, name: str) -> None:
    """A developer's .env decides neither whether the tests pass nor what a deployment does."""
    (tmp_path / ".env").write_text("WEB_PORT=3\n")
    variables_are(PRODUCTION, ENVIRONMENT=name)
    assert environment().web_port == 8000
    variables_are(LOCAL)
    assert environment().web_port == 3


def test_a_misspelt_name_in_the_file_is_reported(variables_are: SetEnvironment, tmp_path: Path) -> None:
    """An optional variable with a slip in its name would be off for ever, without a word."""
    (tmp_path / ".env").write_text("SENTRY_DNS=x\nSOMETHING_ELSE=1\n")
    variables_are(LOCAL)
    assert report(Environment)[1:] == ["  SENTRY_DNS: nothing reads it; did you mean SENTRY_DSN? (in .env)"]


def test_a_file_that_is_no_text_is_reported(variables_are: SetEnvironment, tmp_path: Path) -> None:
    """A UTF-16 file from an editor is named, not answered with a traceback."""
    (tmp_path / ".env").write_bytes("WEB_PORT=1".encode("utf-16"))
    variables_are(LOCAL)
    assert "cannot be read" in report(Environment)[0]


def test_a_folder_in_place_of_credentials_is_reported(variables_are: SetEnvironment) -> None:
    """A unit that points to the wrong place is named too."""
    variables_are(LOCAL, CREDENTIALS_DIRECTORY="/nowhere")
    assert report(Environment) == ["CREDENTIALS_DIRECTORY=/nowhere is not a directory that can be read"]


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(secret=st.from_regex(r"[a-z0-9:/@\[\]%#?;. ]{8,40}", fullmatch=True))
def test_no_report_shows_a_secret(variables_are: SetEnvironment, secret: str) -> None:
    """Whatever is wrong with a password or its URL, no piece of it appears."""
    marked = f"zqx{secret}zqx"
    names = ("BROKER_URL", "RESULT_URL", "DATABASE_URL", "SENTRY_DSN", "FLOWER_PASSWORD")
    urls = dict.fromkeys(names, f"rediss://:{marked}@")
    variables_are(PRODUCTION, **urls, SECRET_KEY=f"zqx{secret[:20]}", CACHE_URL=marked)
    assert "zqx" not in "\n".join(report(Environment)).lower()


def test_secrets_do_not_show_in_a_traceback(variables_are: SetEnvironment) -> None:
    """Printing the environment shows no password."""
    variables_are(PRODUCTION)
    assert ":pw@" not in repr(environment())
    assert PRODUCTION["SECRET_KEY"] not in repr(environment())


@pytest.mark.parametrize(
    ("name", "module"),
    [("local", "local"), ("test", "test"), ("staging", "production"), ("production", "production")],
)
def test_the_environment_selects_the_settings(
    variables_are: SetEnvironment, monkeypatch: pytest.MonkeyPatch, name: str, module: str
) -> None:
    """Staging runs production's settings; what is set explicitly stays."""
    variables_are(ENVIRONMENT=name)
    select_settings()
    assert os.environ["DJANGO_SETTINGS_MODULE"] == f"config.settings.{module}"
    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "my.own")
    select_settings()
    assert os.environ["DJANGO_SETTINGS_MODULE"] == "my.own"


def test_a_set_of_variables_is_read_once(variables_are: SetEnvironment, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process keeps what it began with."""
    variables_are(ENVIRONMENT="test", WEB_PORT="1")
    first = loaded(Environment)
    monkeypatch.setenv("WEB_PORT", "2")
    assert loaded(Environment) is first
