"""What a worker does before it starts: finds its group, refuses a topology that its tasks contradict."""

import gc
from typing import Any

from celery import Celery
from django.utils.module_loading import autodiscover_modules

from workers.derive.celery_settings import group_settings
from workers.exits import refuse_to_start
from workers.process import group_name
from workers.supervision.notify import systemd
from workers.topology import Loaded, Problem, load
from workers.topology.instances import group_of
from workers.topology.tasks import check_tasks


def prepare_worker(sender: str, instance: Any, conf: Any, **_: object) -> None:
    """Receiver of `celeryd_init`: leaves with exit code CONFIGURATION and the reasons, or applies the group's settings.

    An unknown or unclaimed task would otherwise be found by the first message that asks for it, at night.
    """
    loaded = load()
    name = group_of(sender)
    if name not in loaded.topology.groups:
        known = ", ".join(loaded.topology.groups)
        why = f"workers.yml has no group {name!r}; name the worker after one of: {known} (-n GROUP@%h)"
        refuse_to_start(f"{sender}: {why}")
    if problems := task_problems(instance.app, loaded):
        refuse_to_start("the tasks and workers.yml disagree; no worker was started:\n" + "\n".join(map(str, problems)))
    group_name()  # noted in the environment for spawned children
    systemd()  # taken out of it, before there are any
    conf.update(group_settings(loaded.topology.groups[name]))


def share_memory(**_: object) -> None:
    """Receiver of `worker_before_create_process`: the garbage collector leaves alone what is alive now.

    Looking writes into each object's header and so copies the page that parent and child share: a child held 62 MB of
    its own without this and 30 MB with it, and ran a third more tasks (measured with Django and 60 MB of modules).
    """
    gc.collect()
    gc.freeze()


def task_problems(app: Celery, loaded: Loaded) -> list[Problem]:
    """What the registered tasks of `app` and the topology disagree about, with the places in the file."""
    autodiscover_modules("tasks")  # not the loader's way: it runs all system checks, and this is one of them
    app.finalize()
    return [loaded.placed(problem) for problem in check_tasks(loaded.topology, dict(app.tasks))]
