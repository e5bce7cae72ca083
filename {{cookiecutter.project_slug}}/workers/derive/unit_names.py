"""What the units of a project are called: see systemd/README.md."""


def worker_unit(project: str, worker: str) -> str:
    """The unit of one worker."""
    return f"celery-worker-{project}@{worker}.service"


def multi_unit(project: str) -> str:
    """The one unit that runs all workers as nodes of `celery multi`."""
    return f"celery-multi-{project}.service"


def check_unit(project: str) -> str:
    """The unit that runs `workers check` as the workers' user, with their environment and credentials."""
    return f"celery-check-{project}.service"
