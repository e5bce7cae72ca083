"""The hooks add what does not come from rendering, with Cookiecutter's own Python and nothing else."""

import ast
import os
import shutil
import stat
import sys
from pathlib import Path

import pytest
from dotenv import dotenv_values

from tests.template.rendering import PROJECT_FOLDER, ROOT, cookiecutter, generated, git, run, tree

HOOKS = sorted((ROOT / "hooks").glob("*.py"))
NETWORK = {"asyncio", "ftplib", "http", "imaplib", "smtplib", "socket", "ssl", "urllib", "xmlrpc"}


@pytest.mark.parametrize("path", [*HOOKS, ROOT / PROJECT_FOLDER / "config" / "dotenv.py"], ids=lambda path: path.name)
def test_what_runs_at_generation_needs_only_the_standard_library(path: Path) -> None:
    """No package of Cookiecutter's environment is relied upon, nor any module that opens a connection."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    modules = {name.partition(".")[0] for name in names}
    assert modules <= sys.stdlib_module_names - NETWORK


def test_hooks_are_short() -> None:
    """A hook is the one thing nobody reads before running it: it stays within a page or two."""
    assert {path.name: len(path.read_text(encoding="utf-8").splitlines()) for path in HOOKS if lines(path) > 200} == {}


def lines(path: Path) -> int:
    """How long a file is."""
    return len(path.read_text(encoding="utf-8").splitlines())


@pytest.fixture
def furnished(repository: Path, tmp_path: Path) -> Path:
    """A repository whose static folders hold what they will: Jinja of Ansible's, a script, and litter."""
    copy = tmp_path / "celery-prod"
    shutil.copytree(repository, copy)
    files = {
        "ansible/roles/worker/templates/unit.j2": "{{ host }} {% if x %}{{ cookiecutter }}{% endif %}",
        "systemd/celery-worker@.service": "[Service]\nExecStart=/srv/%j/current/run %i\n",
        "terraform/main.tf": 'locals { a = "${var.b}" }',
        "rehearsal/up.sh": "#!/bin/sh\n",
        "unrelated/file.txt": "not vendored",
    }
    for name, text in files.items():
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        (copy / name).write_text(text, encoding="utf-8")
    (copy / "rehearsal" / "up.sh").chmod(0o755)
    git(copy, "add", "--all")
    git(copy, "commit", "--quiet", "--message", "Furnished")
    litter = ["ansible/__pycache__/x.pyc", "terraform/.terraform/provider", "terraform/terraform.tfstate"]
    for name in [
        *litter,
        f"{PROJECT_FOLDER}/config/__pycache__/y.pyc",
        f"{PROJECT_FOLDER}/.mypy_cache/3.11/z.bin",
    ]:
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        (copy / name).write_bytes(b"\x92\x00litter")
    (copy / "systemd" / "new.service").write_text("not committed yet", encoding="utf-8")
    return copy


def test_static_folders_arrive_word_for_word(furnished: Path, tmp_path: Path) -> None:
    """Nothing in them is rendered, scripts stay executable, uncommitted work comes along."""
    project = generated(cookiecutter(furnished, tmp_path / "home", {}), tmp_path / "home")
    for folder in ("ansible", "systemd", "terraform", "rehearsal"):
        for path in (furnished / folder).rglob("*"):
            if path.is_file() and not {"__pycache__", ".terraform"} & set(path.parts) and path.suffix != ".tfstate":
                copied = project / path.relative_to(furnished)
                assert copied.read_bytes() == path.read_bytes()
                assert stat.S_IMODE(copied.stat().st_mode) == stat.S_IMODE(path.stat().st_mode)
    assert os.access(project / "rehearsal" / "up.sh", os.X_OK)
    assert (project / "systemd" / "new.service").exists()
    assert not (project / "unrelated").exists()


def test_a_generated_project_can_be_rehearsed_from_within(source: Path, tmp_path: Path) -> None:
    """rehearsal/ is whole in a project, and needs nothing of the template's repository around it."""
    project = generated(cookiecutter(source, tmp_path, {}), tmp_path)
    assert tree(source / "rehearsal") == tree(project / "rehearsal")
    helped = run((sys.executable, "-P", "-c", REHEARSE), project, PYTHONPATH=str(project))
    assert (helped.returncode, helped.stderr) == (0, "")
    assert helped.stdout.splitlines() == [str(project / "rehearsal"), "12"]


REHEARSE = """\
from rehearsal import Inventory
from rehearsal.paths import PACKAGE
import rehearsal.commands
print(PACKAGE)
print(len(Inventory.read(PACKAGE / "example.yml").hosts))
"""


def test_what_git_ignores_is_left_behind(furnished: Path, tmp_path: Path) -> None:
    """Caches, providers and state of whoever worked on the template are nobody else's."""
    project = generated(cookiecutter(furnished, tmp_path / "home", {}), tmp_path / "home")
    arrived = tree(project)
    assert not {name for name in arrived if "__pycache__" in name or "_cache/" in name or ".terraform" in name}
    assert "terraform/terraform.tfstate" not in arrived


def test_static_folders_are_optional(template: Path, tmp_path: Path) -> None:
    """A template without one of them gives a project without it."""
    copy = tmp_path / "celery-prod"
    shutil.copytree(template, copy)
    for name in ("ansible", "systemd", "terraform", "rehearsal"):
        shutil.rmtree(copy / name, ignore_errors=True)
    project = generated(cookiecutter(copy, tmp_path / "home", {}), tmp_path / "home")
    assert not {"ansible", "systemd", "terraform", "rehearsal"} & tree(project)


def test_no_two_projects_share_a_secret(template: Path, tmp_path: Path) -> None:
    """Secrets are made, not copied."""
    first, second = (
        dotenv_values(generated(cookiecutter(template, tmp_path / name, {}), tmp_path / name) / ".env")
        for name in ("one", "two")
    )
    assert first["SECRET_KEY"] != second["SECRET_KEY"]
    assert first["BROKER_URL"] != second["BROKER_URL"]


def test_generating_again_keeps_secrets_and_history(template: Path, tmp_path: Path) -> None:
    """--overwrite-if-exists is for newer files, not for a new `.env` or a second first commit."""
    project = generated(cookiecutter(template, tmp_path, {}), tmp_path)
    secrets, history = (project / ".env").read_bytes(), git(project, "log", "--format=%H")
    generated(cookiecutter(template, tmp_path, {}, "--overwrite-if-exists"), tmp_path)
    assert (project / ".env").read_bytes() == secrets
    assert git(project, "log", "--format=%H") == history


def test_a_machine_without_git_gets_a_project_all_the_same(template: Path, tmp_path: Path) -> None:
    """`init_git` is a wish: where there is no git the rest is done."""
    (tmp_path / "bin").mkdir()
    command = (sys.executable, "-m", "cookiecutter", "--no-input", "--output-dir", tmp_path, template)
    done = run(command, tmp_path, PATH=str(tmp_path / "bin"))
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "corner_shop" / ".env").exists()
    assert not (tmp_path / "corner_shop" / ".git").exists()


def test_secrets_are_not_committed_even_where_git_would_not_ignore_them(template: Path, tmp_path: Path) -> None:
    """A line lost from `.gitignore` must not publish a key."""
    copy = tmp_path / "celery-prod"
    shutil.copytree(template, copy)
    (copy / PROJECT_FOLDER / ".gitignore").write_text("", encoding="utf-8")
    project = generated(cookiecutter(copy, tmp_path / "home", {}), tmp_path / "home")
    assert git(project, "status", "--porcelain") == "?? .env"


def test_the_users_own_name_and_settings_are_respected(repository: Path, tmp_path: Path) -> None:
    """Whoever has a git identity signs the first commit; their hooks and signing keys do not hold it up."""
    (tmp_path / "hooks").mkdir()
    hook = tmp_path / "hooks" / "pre-commit"
    hook.write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")
    hook.chmod(0o755)
    identity = "[user]\nname = Ada\nemail = ada@example.org\n"
    obstacles = f"[core]\nhooksPath = {hook.parent}\n[commit]\ngpgsign = true\n"
    (tmp_path / ".gitconfig").write_text(identity + obstacles, encoding="utf-8")
    project = generated(cookiecutter(repository, tmp_path, {}), tmp_path)
    assert git(project, "log", "--format=%an <%ae>") == "Ada <ada@example.org>"


def test_a_commit_that_fails_is_told_and_costs_nothing(repository: Path, tmp_path: Path) -> None:
    """Should git fail, the project is there, with its secrets, and the reason is on the terminal."""
    (tmp_path / ".gitconfig").write_text("[core]\nautocrlf = nonsense\n", encoding="utf-8")
    done = cookiecutter(repository, tmp_path, {})
    assert done.returncode == 0
    assert "The project is generated, but `git " in done.stderr
    assert (tmp_path / "projects" / "corner_shop" / ".env").exists()
