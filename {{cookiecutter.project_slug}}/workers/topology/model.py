"""The typed model of `workers.yml`.

The field descriptions are the documentation: workers.schema.json and docs/tuning.md are printed from them. Durations
are whole or broken seconds, memory is MiB, exactly as numbers: Terraform and Ansible read the same file.
"""

from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Pool = Literal["prefork", "threads", "gevent", "solo"]
StartMethod = Literal["fork", "spawn"]

#: Numbers above these are typing errors, whatever they were meant to be.
MAX_SECONDS: Final = 7 * 24 * 3600
MAX_SLOTS: Final = 10_000
MAX_HOSTS: Final = 10_000
MAX_MIB: Final = 16 * 1024 * 1024

#: Seconds. A longer task counts as long: nothing may be reserved behind it on a worker that acknowledges late.
LONG_TASK: Final = 60

Seconds = Annotated[int, Field(ge=1, le=MAX_SECONDS)]
Fraction = Annotated[float, Field(gt=0, le=MAX_SECONDS)]
MiB = Annotated[int, Field(ge=16, le=MAX_MIB)]
Count = Annotated[int, Field(ge=1, le=MAX_SLOTS)]
Hosts = Annotated[int, Field(ge=0, le=MAX_HOSTS)]
#: systemd's range for CPUWeight= and IOWeight=.
Weight = Annotated[int, Field(ge=1, le=10_000)]
#: A queue, a systemd instance, a node name and an Ansible group all carry this name, so it is plain.
Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{1,29}$")]
#: A task name or a glob over task names; what celery's own router understands.
Pattern = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_*?][A-Za-z0-9_.*?]{0,199}$")]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, use_attribute_docstrings=True)


class Objective(_Section):
    """What the group promises at the 95th percentile; alerts, the doctor and autoscaling read it."""

    wait: Fraction
    """Seconds from sending a task to its start."""
    run: Fraction
    """Seconds from its start to its end."""


class Group(_Section):
    """One worker group: one queue, and the workers that consume it and nothing else."""

    about: str = Field(min_length=1, max_length=200)
    """What work the group is for, in a few words."""
    tasks: list[Pattern] = Field(max_length=200)
    """Names or globs of the tasks that run here. Every task of the project is claimed by exactly one group."""
    pool: Pool = "prefork"
    """How slots are made. prefork: processes, the only pool that enforces both time limits. threads: I/O-bound work, no
    limits at all. gevent: thousands of waiting tasks, hard limit only. solo: debugging, refused outside local settings,
    because it never acknowledges early and loses its connection during a task longer than two heartbeats."""
    start_method: StartMethod = "fork"
    """How prefork makes its children. spawn for work that must not inherit the parent's state: CUDA contexts and thread
    pools of numeric libraries do not survive a fork."""
    concurrency: Count | Literal["auto"] = "auto"
    """Tasks at a time on one host. auto: the cores that the cgroup allows, which is right for CPU-bound work only."""
    prefetch_multiplier: Annotated[int, Field(ge=1, le=1000)] = 1
    """Messages reserved for each slot. 1 for long or urgent tasks, so that none waits behind another while a slot is
    idle elsewhere; 4 to 64 for short ones, where the round trip to the broker costs more than the task."""
    acks_late: bool = True
    """Acknowledge after the task instead of before it: a worker that dies gives its task back. The task must bear to be
    run twice. Early acknowledgement loses what ran when the power went, and is for cheap work."""
    transient: bool = False
    """Messages are not written to disk: for work that may be lost when the broker restarts."""
    soft_time_limit: Seconds | None = None
    """Seconds after which the task is asked to end (SoftTimeLimitExceeded is raised inside it). prefork only."""
    time_limit: Seconds | None = None
    """Seconds after which the task's process is killed. Must exceed soft_time_limit. prefork and gevent only."""
    longest_run: Seconds | None = None
    """Seconds the longest task takes, where the pool enforces no limit (threads, solo): the time-outs of your clients
    must guarantee it. Stop budget, consumer timeout and visibility timeout are reckoned from it."""
    longest_countdown: Seconds = 3600
    """Seconds of the longest countdown or ETA that tasks of this group are sent with. Sending a longer one is refused:
    on Redis a task that waits longer than the visibility timeout is run once more each time that passes."""
    soft_shutdown: Annotated[int, Field(ge=0, le=600)] = 5
    """Seconds a worker that must end at once leaves its running tasks to save their state. Keep it below the broker
    heartbeat (10 s): the worker sleeps the whole time and answers nobody."""
    stop_timeout: Seconds | None = None
    """Seconds systemd waits for a stop before it kills. Must exceed time_limit + soft_shutdown, or a stop kills running
    tasks. Left out: the sum and a margin of 30."""
    consumer_timeout: Seconds | None = None
    """Seconds RabbitMQ lets a message go unacknowledged before it takes it from the worker; the task then runs again.
    Must exceed time_limit x prefetch_multiplier. Left out: half as much again, at least RabbitMQ's own 1800."""
    max_length: Annotated[int, Field(ge=1, le=100_000_000)] = 100_000
    """Tasks that may wait in the group's queue, and as many in its dead letters. RabbitMQ refuses more, so the sender
    gets an error, where a full disk would stop every queue. 100,000 tasks of 1 KiB take about 100 MB on each node.
    Redis knows no such limit: there `maxmemory` is the only one."""
    full_at: Annotated[int, Field(ge=1, le=100_000_000)] | None = None
    """Tasks waiting in the queue from which on it counts as full: those who send then do what the task's `when_full`
    says, until a fifth fewer wait. Choose what the workers do in the longest time that somebody would wait. Left out:
    half of max_length, far from where RabbitMQ refuses everybody."""
    max_tasks_per_child: Annotated[int, Field(ge=1, le=10_000_000)] | None = None
    """Tasks after which a child is replaced; bounds slow leaks. prefork only. Each replacement costs a fork (or, with
    spawn, a start of the interpreter), so keep it rare."""
    max_memory_per_child: MiB | None = None
    """MiB of peak resident memory after which a child is replaced, once its task is done. prefork only."""
    objective: Objective
    """What the group promises."""
    hosts: Hosts = 1
    """Hosts that run a worker of this group."""
    instances: Annotated[int, Field(ge=1, le=100)] = 1
    """Workers of this group on each of its hosts, each with its own main process, slots and memory: batch-1, batch-2.
    One is enough, unless a main process is the bottleneck or half of a host's slots must outlive the other half."""
    cpu_weight: Weight = 100
    """The group's share of a busy host's cores against the other groups there (systemd's CPUWeight). 100 each by
    default; a group with 50 gets half of that. An idle core is anybody's."""
    io_weight: Weight = 100
    """The same of a busy disk (IOWeight)."""


class Host(_Section):
    """One worker host; every group must fit on it."""

    cpus: Annotated[int, Field(ge=1, le=4096)]
    """Cores that the host's workers may use; what `concurrency: auto` comes to."""
    memory: MiB
    """MiB of memory of the host."""


class Web(_Section):
    """The web servers: gunicorn reads processes and threads from here."""

    hosts: Hosts = 1
    """Hosts that run the web server."""
    processes: Count = 2
    """gunicorn's worker processes a host."""
    threads: Count = 4
    """Threads a process; each may hold a database connection."""


class Beat(_Section):
    """The scheduler of periodic tasks."""

    hosts: Hosts = 1
    """Hosts that run a scheduler. One sends; the others wait, and one of them takes over within 15 seconds. A lease in
    the database says whose turn it is, and a record of every slot that no two of them send it."""


class Relay(_Section):
    """The relay: sends durable tasks that are not yet with the broker, and collects dead letters."""

    hosts: Hosts = 1
    """Hosts that run a relay. One does all of the work; with a second one nothing waits for a host that is gone."""


class Database(_Section):
    """What the database server allows."""

    max_connections: Count = 100
    """PostgreSQL's max_connections (its default is 100)."""
    reserved: Annotated[int, Field(ge=0, le=1000)] = 10
    """Connections kept free for superusers, migrations, backups and people."""


class Broker(_Section):
    """What the broker allows, and the one number of it that every process must share."""

    max_connections: Annotated[int, Field(ge=1, le=1_000_000)] = 1000
    """Client connections the broker accepts for this project."""
    visibility_timeout: Seconds | None = None
    """Seconds after which Redis gives an unacknowledged task to another worker. Must exceed the longest
    time_limit x prefetch_multiplier + longest_countdown of all groups, or tasks run twice. Left out: a quarter more.
    The price of a high one: a task of a lost host waits that long."""


class Local(_Section):
    """The local run, `python -m workers up`."""

    prepare: list[Annotated[str, StringConstraints(min_length=1, max_length=200)]] = Field(
        default=["migrate"], max_length=20
    )
    """Management commands run before the processes start."""


class Topology(_Section):
    """`workers.yml`: which worker groups exist and how each runs. Everything else is derived from it."""

    project: Name
    """The project's name: application name, virtual host, unit and user names."""
    host: Host
    web: Web = Web()
    beat: Beat = Beat()
    relay: Relay = Relay()
    database: Database = Database()
    broker: Broker = Broker()
    local: Local = Local()
    groups: dict[Name, Group] = Field(min_length=1, max_length=100)
    """The worker groups by name; the name is the queue's, too."""
