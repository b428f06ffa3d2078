"""A progress bar on a terminal, nothing in a pipe."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["progress_bar"]


@contextmanager
def progress_bar(what: str) -> Iterator[Callable[..., None]]:
    """Give a function of (done, all, remark = "") that draws the bar on standard error."""
    if not sys.stderr.isatty():
        yield lambda done, everything, remark="": None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    remarks = TextColumn("{task.fields[remark]}")
    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), remarks, TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(what, total=None, remark="")
        yield lambda done, everything, remark="": progress.update(
            task, completed=done, total=everything, remark=remark
        )
