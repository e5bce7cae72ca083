"""What the units of a project are called: see systemd/README.md."""


def worker_unit(project: str, worker: str) -> str:
    """The unit of one worker."""
    return f"celery-worker-{project}@{worker}.service"


def service_unit(project: str, service: str) -> str:
    """The unit of what is no worker: `web`, `beat`, `check`, `multi`."""
    return f"celery-{service}-{project}.service"


def timer_unit(project: str, service: str) -> str:
    """What starts a service every day."""
    return f"celery-{service}-{project}.timer"


def socket_unit(project: str) -> str:
    """What holds the web's socket."""
    return f"celery-web-{project}.socket"


def socket_path(project: str) -> str:
    """Where that is, for the proxy before it."""
    return f"/run/celery-web-{project}.sock"


def target_unit(project: str) -> str:
    """Everything of the project on a host."""
    return f"celery-{project}.target"


def group_target(project: str, group: str) -> str:
    """All workers of a group."""
    return f"celery-{project}-{group}.target"


def group_slice(project: str, group: str) -> str:
    """A group's share of cores and disk."""
    return f"celery-{project}-{group}.slice"
