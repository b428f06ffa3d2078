"""Running a coroutine to its end, on the fast event loop where it is installed."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

__all__ = ["run_to_end"]

T = TypeVar("T")


def run_to_end(procedure: Coroutine[Any, Any, T]) -> T:
    """Run it in a new event loop; uvloop's when the `fast` extra is there."""
    try:
        from uvloop import new_event_loop
    except ImportError:
        return asyncio.run(procedure)
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        return runner.run(procedure)
