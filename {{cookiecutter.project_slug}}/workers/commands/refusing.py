"""How commands about what runs on a host end that were refused, or could not be finished."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from workers.commands.output import REFUSED, refuse, stderr
from workers.multi.control import MultiError
from workers.multi.nodes import HiddenError
from workers.systemd.draining import NotDoneError
from workers.systemd.installed import BusyError
from workers.systemd.replacing import RefusedError
from workers.systemd.systemctl import SystemctlError
from workers.topology.instances import UnknownWorkerError


@contextmanager
def refusing() -> Iterator[None]:
    """Print why the block was left, and leave with REFUSED."""
    try:
        yield
    except MultiError as error:
        refuse(error.reasons)
    except RefusedError as error:
        refuse([*error.lines, str(error)])
    except (BusyError, HiddenError, SystemctlError, UnknownWorkerError, PermissionError) as error:
        refuse([str(error)])
    except NotDoneError as error:
        stderr.print(str(error), style="red", markup=False)
        sys.exit(REFUSED)
