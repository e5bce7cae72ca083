"""What holds for every folder of tests."""

import os
from collections.abc import Generator

import pytest

#: Real hosts for any test that asks for `fleets`.
pytest_plugins = ["rehearsal.fixtures"]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A laptop may lack git, say; where CI is set, a test that cannot run is a failure."""
    report = yield
    if os.environ.get("CI") and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped, which CI does not accept: {report.longrepr}"
    return report
