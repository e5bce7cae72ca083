"""The order of things. Exit status: 0 all work was done, 1 it was not, 130 Ctrl-C before that."""

import sys
from pathlib import Path
from subprocess import Popen
from time import monotonic

from rich.markup import escape

from demo import ports, processes
from demo.project import Project
from demo.steps import StepFailedError, console, step


def demonstrate(folder: Path) -> int:
    """From nothing to the report; with a terminal the project then stays up until Ctrl-C."""
    began = monotonic()
    project = Project(folder, ports.chosen())
    with step("Generate a project with default answers") as say:
        project.generate(say)
    with step("Install its locked dependencies") as say:
        project.install(say)
    with project.up() as up:
        with step("Start Redis, web, four worker groups, beat and Flower") as say:
            project.wait_until_ready(up, say)
        status = project.work()
        if status:
            console.print("[red]✗[/] Not all of the work was done: the reasons stand above.")
        spent = f"{monotonic() - began:.0f} s in all. The project: {project.root}. Its log: {project.log}"
        console.print(f"[dim]{escape(spent)}[/]", soft_wrap=True)
        if sys.stdin.isatty() and console.is_terminal:
            stay(project, up)
        with step("Stop everything, running tasks first"):
            processes.end(up)
    return status


def stay(project: Project, up: Popen[str]) -> None:
    """Leave it running until the user has seen enough."""
    console.print("\n[bold]It stays up: open the addresses above. Ctrl-C stops it.[/]")
    try:
        up.wait()
    except KeyboardInterrupt:
        console.print()
    else:
        raise StepFailedError(f"{project.tail(30)}\n\nThe project stopped by itself.")


def main() -> int:
    """Run the demo; whatever happens in it, no process of it stays."""
    processes.interrupt_on_signals()
    try:
        status = demonstrate(Path(sys.argv[1]).resolve())
    except StepFailedError as failure:
        console.print(f"[red]✗[/] {escape(str(failure))}", soft_wrap=True)
        status = 1
    except KeyboardInterrupt:
        console.print("\nStopped.")
        status = 130
    finally:
        leftovers = processes.kill_leftovers()
    if leftovers and status == 0:
        console.print(f"[red]✗[/] These did not end by themselves: {', '.join(leftovers)}", soft_wrap=True)
        return 1
    return status


if __name__ == "__main__":
    sys.exit(main())
