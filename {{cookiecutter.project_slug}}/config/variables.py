"""Typed environment variables, and one report of everything that is wrong with them.

An app declares its own in `<app>/env.py` as `class Environment(Variables)`. A value is looked for in the process
environment, then in a file under `$CREDENTIALS_DIRECTORY` (systemd's credentials), then, in a local run, in `.env`
beside manage.py. Tests and production never read that file: a developer's values decide nothing there.
"""

import difflib
import os
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, TypeVar, cast, get_args

from django.core.exceptions import ImproperlyConfigured
from dotenv import dotenv_values
from pydantic import Field, SecretStr, ValidationError, ValidationInfo
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

BASE_DIR = Path(__file__).resolve().parent.parent
DOTENV = BASE_DIR / ".env"

Name = Literal["local", "test", "staging", "production"]
DEVELOPMENT = frozenset({"local", "test"})


def variable(
    expected: str, *, example: str, about: str = "", local: object = None, test: object = None, **options: Any
) -> Any:
    """Declare a variable: what is expected of it, an example, what it is for, and what it is locally and in tests.

    Without `local` and without `default` it must be set everywhere. `test` falls back to `local`.
    """
    values = {"local": local, "test": local if test is None else test}
    extra: dict[str, Any] = {"values": values, "about": about}
    return Field(description=expected, examples=[example], json_schema_extra=extra, **options)


class _Values(PydanticBaseSettingsSource):
    """A source of plain text values, None where it has none."""

    def __call__(self) -> dict[str, Any]:
        found = ((name, self.get_field_value(field, name)[0]) for name, field in self.settings_cls.model_fields.items())
        return {name: value for name, value in found if value is not None}


class DotenvFile(_Values):
    """`.env`, parsed once for all sets of variables."""

    def get_field_value(self, _field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Find the value; NAME= means "not set"."""
        return dotenv().get(field_name.upper()) or None, field_name, False


class Credentials(_Values):
    """One file a variable in `directory`: NAME, or as the units import it from the store, PROJECT.ROLE.NAME.

    A role's own goes before what all roles share, PROJECT.all.NAME. The names stay what they are in the store, because
    an encrypted credential holds its name and systemd compares.
    """

    def __init__(self, settings_cls: type[BaseSettings], directory: Path) -> None:
        super().__init__(settings_cls)
        files = sorted(directory.iterdir(), key=lambda file: ("." not in file.name, ".all." not in file.name))
        # The strongest comes last: without a dot, then a role's own.
        self.files = {file.name.rpartition(".")[2]: file for file in files}

    def get_field_value(self, _field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Find the value; an empty file means "not set", and the line's end is the editor's."""
        file = self.files.get(field_name.upper())
        return self._text(file) if file else None, field_name, False

    @staticmethod
    def _text(file: Path) -> str | None:
        try:
            return file.read_text(encoding="utf-8").strip() or None
        except (OSError, UnicodeDecodeError) as error:
            message = f"the credential {file} cannot be read as text: {type(error).__name__}"
            raise ImproperlyConfigured(message) from None


class DevelopmentValues(_Values):
    """The values that hold on a developer's machine and in tests, and never in staging or production."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Find the value for the environment that the stronger sources have named."""
        name = self.current_state.get("environment", "local")
        return _extra(field).get("values", {}).get(name), field_name, False


class Variables(BaseSettings):
    """The base of every set of variables: where they are read from, and which environment this is."""

    model_config = SettingsConfigDict(
        env_ignore_empty=True,  # NAME= in a file means "not set"
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
        validate_default=True,
    )

    # First, so that every other field's validator can ask for it.
    environment: Name = Field(
        default="local", description="local, test, staging or production", examples=["production"]
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 (replaced by sources of our own)
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Order the sources: the nearer to the process, the stronger."""
        sources = [init_settings, env_settings]
        directory = os.environ.get("CREDENTIALS_DIRECTORY")
        if directory and not os.access(directory, os.R_OK | os.X_OK):
            raise ImproperlyConfigured(f"CREDENTIALS_DIRECTORY={directory} is not a directory that can be read")
        if directory:
            sources.append(Credentials(settings_cls, Path(directory)))
        sources += [DotenvFile(settings_cls), DevelopmentValues(settings_cls)]
        return tuple(sources)


@cache
def dotenv() -> dict[str, str | None]:
    """What `.env` holds: the variables of a local run. Whoever says in the process that it is none gets nothing."""
    if os.environ.get("ENVIRONMENT", "local") != "local":
        return {}
    try:
        return dotenv_values(DOTENV)
    except (OSError, UnicodeDecodeError) as error:
        message = f"{DOTENV} cannot be read: {error}. It is text in UTF-8; `.env.example` shows the format."
        raise ImproperlyConfigured(message) from error


Kind = TypeVar("Kind", bound=Variables)
_loaded: dict[type[Variables], Variables] = {}


def load(*kinds: type[Variables]) -> None:
    """Read every set of variables; raise one ImproperlyConfigured that lists all that is wrong with all of them."""
    problems: dict[str, str] = {}
    for kind in kinds:
        try:
            _loaded[kind] = kind()
        except ValidationError as error:
            problems |= {_name(details): _problem(kind, details) for details in error.errors()}
    problems |= _misspelt(kinds)
    if problems:
        raise ImproperlyConfigured(_report(problems))


def environments_of(apps: list[str]) -> list[type[Variables]]:
    """The `Environment` of every app that has an env.py."""
    return [import_module(f"{app}.env").Environment for app in apps if find_spec(f"{app}.env")]


def loaded(kind: type[Kind]) -> Kind:
    """The variables of one set, read at the first call."""
    if kind not in _loaded:
        load(kind)
    return cast("Kind", _loaded[kind])


def forget() -> None:
    """Read everything again at the next call: for tests that change the environment."""
    _loaded.clear()
    dotenv.cache_clear()


def in_production(info: ValidationInfo) -> bool:
    """Whether the variable being validated is for staging or production."""
    return info.data.get("environment") in {"staging", "production"}


def _extra(field: FieldInfo) -> dict[str, Any]:
    return cast("dict[str, Any]", field.json_schema_extra or {})


def _name(details: ErrorDetails) -> str:
    return str(details["loc"][0]).upper()


def _problem(kind: type[Variables], details: ErrorDetails) -> str:
    field = kind.model_fields[str(details["loc"][0])]
    name = _name(details)
    example = f"for example {name}={(field.examples or [''])[0]}"
    return f"{_found(field, details)}; expected {field.description}; {example}; {_where(field)}"


def _found(field: FieldInfo, details: ErrorDetails) -> str:
    if details["type"] == "missing":
        return "not set"
    if details["type"] == "value_error":
        return str(details["ctx"]["error"])
    if _is_secret(field):
        return f"found {len(str(details['input']))} characters (not shown)"
    return f"found {details['input']!r}"


def _where(field: FieldInfo) -> str:
    if _current_name() in DEVELOPMENT:
        return "put it in .env (`make install` writes one)"
    return "put it in a credential file of that name" if _is_secret(field) else "put it in the service's environment"


def _is_secret(field: FieldInfo) -> bool:
    return SecretStr in (field.annotation, *get_args(field.annotation))


def _current_name() -> str:
    return os.environ.get("ENVIRONMENT") or dotenv().get("ENVIRONMENT") or "local"


def _misspelt(kinds: tuple[type[Variables], ...]) -> dict[str, str]:
    """Names in `.env` that nothing reads and that resemble one that is not set there: SENTRY_DNS, say."""
    known = {name.upper() for kind in kinds for name in kind.model_fields}
    unset = known - dotenv().keys()
    return {
        name: f"nothing reads it; did you mean {meant}? (in .env)"
        for name in dotenv().keys() - known
        for meant in difflib.get_close_matches(name, unset, n=1, cutoff=0.8)
    }


def _report(problems: dict[str, str]) -> str:
    def lines() -> Iterator[str]:
        count = "1 environment variable is" if len(problems) == 1 else f"{len(problems)} environment variables are"
        yield f"{count} missing or wrong (ENVIRONMENT={_current_name()}):"
        for name, problem in problems.items():
            yield f"  {name}: {problem}"

    return "\n".join(lines())
