"""What is wrong is refused where it is started, with the place and the cure, and never with a traceback."""

import pytest

from tests.project.running import Project

CHECK = ("-m", "workers", "check")
#: Each command and its exit code. Units do not start again what leaves with 78, sysexits.h's EX_CONFIG.
ENTRIES = (
    (CHECK, 1),
    (("-m", "workers", "show"), 1),
    (("-m", "workers", "run", "batch"), 78),
    (("-m", "workers", "beat", "run"), 78),
    (("-m", "workers", "relay"), 78),
    (("-m", "workers", "up"), 1),
)

#: A group that was debugged locally and left so.
SOLO = """\
groups:
  ml:
    pool: solo
    start_method: fork
    soft_time_limit: null
    time_limit: null
    max_tasks_per_child: null
    max_memory_per_child: null
    longest_run: 60
"""


def _change(project: Project, old: str, new: str, file: str = "workers.yml") -> None:
    text = (project.root / file).read_text(encoding="utf-8")
    assert old in text
    (project.root / file).write_text(text.replace(old, new, 1), encoding="utf-8")


@pytest.mark.parametrize(("entry", "code"), ENTRIES, ids=[" ".join(entry) for entry, _ in ENTRIES])
def test_a_wrong_number_stops_every_command(scratch: Project, entry: tuple[str, ...], code: int) -> None:
    """One line with place, code, numbers and cure."""
    _change(scratch, "soft_time_limit: 840", "soft_time_limit: 940")
    done = scratch.run(*entry)
    assert done.returncode == code
    line = next(number for number, text in enumerate(_lines(scratch), 1) if "soft_time_limit: 940" in text)
    assert f"workers.yml:{line}:5 batch.soft_time_limit (W10): 940 >= time_limit 900" in done.stderr
    assert "Traceback" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    "entry", [("manage.py", "check"), ("-m", "celery", "-A", "config", "worker", "-n", "batch@%h")], ids=" ".join
)
def test_a_wrong_number_stops_what_goes_round_the_commands(scratch: Project, entry: tuple[str, ...]) -> None:
    """Django's own commands, and Celery's typed by hand."""
    _change(scratch, "soft_time_limit: 840", "soft_time_limit: 940")
    done = scratch.run(*entry)
    assert done.returncode == 1
    assert "batch.soft_time_limit (W10)" in done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_a_task_of_no_group_stops_check_and_worker(scratch: Project) -> None:
    """Found at start, not by its first message."""
    (scratch.root / "shop/tasks/stray.py").write_text(
        "from celery import shared_task\n\n\n@shared_task\ndef lost() -> None:\n    ...\n"
    )
    init = scratch.root / "shop/tasks/__init__.py"
    init.write_text(init.read_text() + "\nfrom shop.tasks import stray\n")
    for entry, code in ((CHECK, 1), (("-m", "workers", "run", "batch"), 78), (("manage.py", "check"), 1)):
        done = scratch.run(*entry)
        assert done.returncode == code, entry
        assert "(W25): no group claims the task shop.tasks.stray.lost" in done.stderr, entry


def test_a_worker_of_an_unknown_name_is_refused(scratch: Project) -> None:
    """Its node name says which group it works for."""
    done = scratch.run("-m", "celery", "-A", "config", "worker", "-n", "bacth@%h")
    assert done.returncode == 78
    assert "workers.yml has no group 'bacth'; name the worker after one of: default, priority, batch, ml" in done.stderr


def test_solo_is_refused_in_production(scratch: Project) -> None:
    """By the topology and on the command line."""
    done = scratch.run("-m", "workers", "check", "-e", "production")
    assert done.returncode == 0, done.stderr
    _change(scratch, "{}", SOLO, "environments/production/sizes.yml")
    done = scratch.run("-m", "workers", "check", "-e", "production")
    assert done.returncode == 1
    assert "ml.pool (W19): solo in production" in done.stderr


def test_missing_variables_are_listed_all_at_once(scratch: Project) -> None:
    """Each with what is expected and where to put it."""
    (scratch.root / ".env").unlink()
    for entry, code in (*(pair for pair in ENTRIES if "show" not in pair[0]), (("manage.py", "check"), 1)):
        done = scratch.run(*entry)
        assert done.returncode == code, entry
        for name in (
            "SECRET_KEY",
            "BROKER_URL",
            "RESULT_URL",
            "CACHE_URL",
            "LOCK_URL",
            "FLOWER_PASSWORD",
            "SHOP_API_TOKEN",
        ):
            assert name in done.stderr, (entry, done.stderr)
        assert "Traceback" not in done.stderr, entry


def _lines(project: Project) -> list[str]:
    return (project.root / "workers.yml").read_text(encoding="utf-8").splitlines()
