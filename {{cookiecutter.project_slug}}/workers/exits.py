"""How a process leaves that cannot run as it is configured."""

import sys
from typing import Final, NoReturn

#: Exit code for what no restart mends: workers.yml, the environment or the tasks are wrong. sysexits.h's EX_CONFIG.
#: Units name it (RestartPreventExitStatus), so that such a process is not started again and again.
CONFIGURATION: Final = 78


def refuse_to_start(why: str) -> NoReturn:
    """Say why on standard error, and leave for good."""
    print(why, file=sys.stderr)  # noqa: T201
    sys.exit(CONFIGURATION)
