"""What the project itself says at the end of a cell: which tasks were given up, whose results there are."""

import json
from pathlib import Path
from typing import Final

from tests.delivery.ground import Ground

#: Looks twice: what a store that stood in kept is brought back meanwhile.
_RESULTS: Final = """\
import json, sys, time
from pathlib import Path
from config.env import select_settings
select_settings()
import django
django.setup()
from config.celery import app
missing, found = json.loads(Path(sys.argv[1]).read_text()), []
for pause in (0, 2, 10):
    time.sleep(pause if missing else 0)
    found += [name for name in missing if app.AsyncResult(name).state == "SUCCESS"]
    missing = sorted(set(missing) - set(found))
print(json.dumps(found))
"""


def dead(ground: Ground) -> set[str]:
    """The ids of all dead letters."""
    told = ground.controller.run(ground.links("relay"), "-m", "workers", "dead", "list", "--json", "--state", "any")
    return {letter["task_id"] for letter in json.loads(told.stdout)["letters"]}


def results(ground: Ground, folder: Path, wanted: list[str]) -> frozenset[str]:
    """Those of the `wanted` ids whose result is there."""
    file = folder / "wanted.json"
    file.write_text(json.dumps(wanted), encoding="utf-8")
    return frozenset(json.loads(ground.controller.run(ground.links("web"), "-c", _RESULTS, str(file)).stdout))
