"""Every kind of answer gives a project that is sound by its own rules and says what was answered."""

import fnmatch
import json
import re
import stat
import tomllib
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml
from dotenv import dotenv_values

from tests.template.rendering import PROJECT_FOLDER, PROJECT_PYTHON, ROOT, cookiecutter, generated, git, run

CONTEXT = json.loads((ROOT / "cookiecutter.json").read_text(encoding="utf-8"))
DEFAULTS = {
    "project_name": "Corner Shop",
    "project_slug": "corner_shop",
    "description": "Orders, and the background work behind them",
    "domain": "shop.example.com",
    "email": "ops@example.com",
    "timezone": "UTC",
    "broker": "rabbitmq",
}

MATRIX: dict[str, dict[str, str]] = {
    "default": {},
    "redis": {"broker": "redis"},
    "no_git": {"init_git": "no"},
    "elsewhere": {
        "domain": "a-1.b2.example.co.uk",
        "email": "first.last+tag@example.org",
        "timezone": "Asia/Tokyo",
    },
    "unicode": {
        "project_name": "Größe & 北京 🚀 👩‍🍳 دکان‌ها",
        "project_slug": "groesse",
        "description": "Ærøskøbing – „Bücher“, 日本語, ✓ and a 𝔘𝔫𝔦𝔠𝔬𝔡𝔢 letter",
    },
    "longest": {
        "project_name": "N" * 60,
        "project_slug": "s" * 30,
        "description": "d" * 200,
        "domain": f"{'d' * 63}.{'e' * 63}.{'f' * 63}.example.com",
        "email": f"{'o' * 64}@example.com",
        "timezone": "America/Argentina/ComodRivadavia",
    },
    "hostile": {
        "project_name": """O'Neil "Ben" <b>&amp; \\ $HOME `id` #1 %s: [x](y)""",
        "project_slug": "oneil_ben",
        "description": """'\"\"\" ''' \\n $HOME $(id) ; | > * & ! ? # - : [a] @ ` <script> %(x)s \\u0041""",
    },
}


class Rendered(NamedTuple):
    """A project, and what was answered for it."""

    root: Path
    answers: dict[str, str]


@pytest.fixture(scope="session", params=MATRIX)
def project(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, source: Path) -> Rendered:
    """One project of the matrix, generated once."""
    home = tmp_path_factory.mktemp(request.param)
    answers = MATRIX[request.param]
    return Rendered(generated(cookiecutter(source, home, answers), home), {**DEFAULTS, **answers})


@pytest.fixture(scope="session")
def mypy_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Shared by all projects: their Python is the same."""
    return tmp_path_factory.mktemp("mypy")


def is_copied(path: Path) -> bool:
    """Whether Cookiecutter is told to leave the file alone."""
    return any(fnmatch.fnmatch(str(path), pattern) for pattern in CONTEXT["_copy_without_render"])


def template_files(template: Path) -> list[Path]:
    """What the template's project folder holds, by its path in a project."""
    folder = template / PROJECT_FOLDER
    return [path.relative_to(folder) for path in folder.rglob("*") if path.is_file()]


def test_only_files_with_answers_in_them_are_rendered(source: Path) -> None:
    """What holds no answer is copied byte by byte; what does hold one is not forgotten."""
    folder = source / PROJECT_FOLDER
    asks = {str(path) for path in template_files(source) if b"cookiecutter." in (folder / path).read_bytes()}
    assert asks == {str(path) for path in template_files(source) if not is_copied(path)}


def test_every_file_arrives_and_the_copied_ones_are_the_same_bytes(project: Rendered, source: Path) -> None:
    """Python, templates and styles do not depend on any answer."""
    for path in template_files(source):
        assert (project.root / path).is_file(), path
        if is_copied(path):
            assert (project.root / path).read_bytes() == (source / PROJECT_FOLDER / path).read_bytes(), path


def test_no_template_syntax_is_left(project: Rendered, source: Path) -> None:
    """Nothing of Cookiecutter's stays behind in what it rendered."""
    for path in (path for path in template_files(source) if not is_copied(path)):
        text = (project.root / path).read_text(encoding="utf-8")
        assert not re.search(r"\{\{|\}\}|\{%|%\}|\{#|#\}|cookiecutter\.", text), path


def test_toml_says_what_was_answered(project: Rendered) -> None:
    """Quotes, backslashes, braces and emoji reach the reader of pyproject.toml as they were typed."""
    data = tomllib.loads((project.root / "pyproject.toml").read_text(encoding="utf-8"))
    asked = {**data["project"], **data["tool"]["project"]}
    said = {
        "project_name": asked["title"],
        "project_slug": asked["name"],
        "description": asked["description"],
        "email": asked["email"],
        "timezone": asked["timezone"],
    }
    assert said == {question: project.answers[question] for question in said}


def test_yaml_says_what_was_answered(project: Rendered) -> None:
    """The topology carries the slug; every other YAML file can at least be read."""
    for path in project.root.rglob("*.yml"):
        yaml.safe_load(path.read_text(encoding="utf-8"))
    topology = yaml.safe_load((project.root / "workers.yml").read_text(encoding="utf-8"))
    assert topology["project"] == project.answers["project_slug"]


def test_the_environment_is_the_owners_alone_with_secrets_of_its_own(project: Rendered) -> None:
    """`.env` can be read by nobody else; each placeholder has become a secret."""
    example = dotenv_values(project.root / ".env.example", interpolate=False)
    environment = dotenv_values(project.root / ".env", interpolate=False)
    assert stat.S_IMODE((project.root / ".env").stat().st_mode) == 0o600
    assert environment.keys() == example.keys()
    placeholders = [name for name, value in example.items() if value == "generate"]
    secrets = [environment[name] or "" for name in placeholders]
    assert len(set(secrets)) == len(placeholders) >= 3
    assert all(len(secret) >= 32 for secret in secrets)
    assert "generate" not in " ".join(value or "" for value in environment.values())


def test_the_example_names_production_by_its_own_answers(project: Rendered) -> None:
    """The commented lines carry the slug and the address, bare, as dotenv reads them."""
    text = (project.root / ".env.example").read_text(encoding="utf-8")
    uncommented = re.sub(r"(?m)^# (?=[A-Z_]+=)", "", text)
    (project.root.parent / "uncommented.env").write_text(uncommented, encoding="utf-8")
    values = dotenv_values(project.root.parent / "uncommented.env")
    assert values["DEFAULT_FROM_EMAIL"] == project.answers["email"]
    assert str(values["DATABASE_URL"]).endswith(f"/{project.answers['project_slug']}")


def test_the_repository_begins_with_one_commit_and_no_secret(project: Rendered, source: Path) -> None:
    """A user without a git identity gets a first commit; it holds everything but `.env`."""
    if project.answers.get("init_git") == "no":
        assert not (project.root / ".git").exists()
        return
    assert (
        git(project.root, "log", "--format=%an|%ae|%s")
        == f"celery-prod|{project.answers['email']}|Generated by celery-prod"
    )
    tracked = git(project.root, "ls-files", "-z").split("\0")
    assert ".env" not in tracked
    assert {str(path) for path in template_files(source)} <= set(tracked)
    assert git(project.root, "status", "--porcelain") == ""


def test_the_readme_names_project_and_template(project: Rendered, source: Path) -> None:
    """Its title is the answer, whatever it means in Markdown; the template's version and commit are told."""
    readme = (project.root / "README.md").read_text(encoding="utf-8")
    title = readme.splitlines()[0].removeprefix("# ")
    assert re.sub(r"\\(?=[\\`*_\[\]<>~|#&])", "", title) == project.answers["project_name"]
    assert "<b>" not in readme.replace(r"\<b", "")
    commit = git(source, "rev-parse", "HEAD") if (source / ".git").exists() else "unknown (it was not a git checkout)"
    assert f"celery-prod {CONTEXT['_template_version']}, commit {commit}." in readme


def test_the_production_broker_is_the_one_chosen(project: Rendered) -> None:
    """The one answer that is a choice reaches production's files."""
    readme = (project.root / "README.md").read_text(encoding="utf-8")
    assert {"rabbitmq": "RabbitMQ", "redis": "Redis with Sentinel"}[project.answers["broker"]] in readme


@pytest.mark.parametrize(
    "check",
    [
        ("-m", "ruff", "check", "."),
        ("-m", "ruff", "format", "--check", "."),
        ("-m", "mypy", "--cache-dir", "{cache}", "."),
        ("manage.py", "check", "--fail-level", "WARNING"),
        ("manage.py", "makemigrations", "--check", "--dry-run"),
    ],
    ids=lambda check: "-".join(word for word in check if word.isalpha()),
)
def test_the_project_passes_its_own_checks(project: Rendered, check: tuple[str, ...], mypy_cache: Path) -> None:
    """Linter, formatter, type checker and Django find nothing, under the project's own settings."""
    words = [word.format(cache=mypy_cache) for word in check]
    done = run([PROJECT_PYTHON, *words], project.root, HOME=str(project.root.parent))
    assert done.returncode == 0, done.stdout + done.stderr
