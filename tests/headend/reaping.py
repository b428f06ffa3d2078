"""SIGKILL at any moment, as far as a process can have it: before and after all that lasts."""

from __future__ import annotations

from contextlib import contextmanager

import pytest

from ferraris.client.meter import Meter
from ferraris.headend.store.engine import Engine
from ferraris.keys import KeyStore


class Death(BaseException):
    """SIGKILL, as far as it can be had inside a process: from then on nothing happens any more."""


class Reaper:
    """Counts the moments before and after everything that lasts; kills at one of them."""

    def __init__(self, at):
        self.at = at
        self.moments = 0
        self.dead = False

    def moment(self):
        self.moments += 1
        if self.dead or self.moments == self.at:
            self.dead = True
            raise Death

    def transaction(self, whole):
        @contextmanager
        def watched(target):
            self.moment()
            with whole(target) as opened:
                yield opened
                if self.dead:
                    raise Death
            self.moment()

        return watched

    def exchange(self, whole):
        async def watched(target, *arguments, **more):
            if arguments and getattr(arguments[0], "class_id", 1) != 1:
                return await whole(target, *arguments, **more)  # reading is no moment of its own
            self.moment()
            answer = await whole(target, *arguments, **more)
            self.moment()
            return answer

        return watched


@contextmanager
def reaped(at):
    """Everything that lasts, watched; as it was afterwards."""
    reaper = Reaper(at)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Engine, "transaction", reaper.transaction(Engine.transaction))
        patch.setattr(KeyStore, "_writing", reaper.transaction(KeyStore._writing))
        for name in ("get_raw", "_act", "_write", "get_many"):
            patch.setattr(Meter, name, reaper.exchange(getattr(Meter, name)))
        yield reaper


async def inline(function, *arguments):
    """Instead of a thread: everything in order."""
    return function(*arguments)
