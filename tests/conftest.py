"""What all tests share: how services are required, where corpora lie, how properties are tried."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("house", deadline=None, derandomize=True, database=None)
settings.load_profile("house")

_REQUIRE = os.environ.get("FERRARIS_REQUIRE_SERVICES") == "1"
_ROOT = Path(__file__).resolve().parent.parent

# Tests start hundreds of processes. Whoever wants no bytecode beside the sources gets it in a
# folder of the tests: without it every process would compile all that it loads, which takes half of
# its time.
if sys.dont_write_bytecode:
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    os.environ["PYTHONPYCACHEPREFIX"] = str(_ROOT / ".pytest_cache" / "bytecode")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Iterator[pytest.TestReport]:
    """A test marked `services` that is skipped fails where services are required."""
    report = yield
    if item.get_closest_marker("services"):
        report.user_properties.append(("services", report.outcome))
        if _REQUIRE and report.skipped and not hasattr(report, "wasxfail"):
            report.outcome = "failed"
            report.longrepr = f"{item.nodeid}: a service is required but missing: {report.longrepr}"
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Count the tests that nobody could run for want of a service."""
    reports = terminalreporter.stats.get("skipped", [])
    missing = sum(("services", "skipped") in report.user_properties for report in reports)
    if missing:
        terminalreporter.write_line(f"{missing} tests skipped: their service is not here")


@pytest.fixture(autouse=True)
def logs_of_before() -> Iterator[None]:
    """Commands set up the logs of their process: here others come after them, in other streams."""
    logs = logging.getLogger()
    handlers, level = logs.handlers[:], logs.level
    yield
    structlog = sys.modules.get("structlog")
    if structlog is not None and structlog.is_configured():
        structlog.reset_defaults()
        logs.handlers[:] = handlers
        logs.setLevel(level)


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout."""
    return _ROOT


@pytest.fixture(scope="session")
def corpora() -> Path:
    """The folder of recorded telegrams; tests that need it are skipped without it."""
    folder = Path(os.environ.get("FERRARIS_CORPORA", _ROOT.parent / "shared" / "corpora"))
    if not folder.is_dir():
        pytest.skip("no corpora: set FERRARIS_CORPORA")
    return folder
