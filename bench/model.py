"""The model: importing the registry, and reading a list of 300 objects: `python bench/model.py`.

Imports run in fresh processes with bytecode cached, as an installed package has it. A list goes the
general way (decode, then load), then by its patterns: with none known, and with all of them. Least
of all rounds, processor time.
"""

from __future__ import annotations

import gc
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable

from ferraris.data import axdr
from ferraris.data.obis import Obis
from ferraris.model import registry
from ferraris.model.object_list import (
    AccessRight,
    AttributeAccess,
    MethodAccess,
    ObjectList,
    ObjectListElement,
    ObjectListType,
)

ROUNDS = 9
OBJECTS = 300
COMMON = (1, 3, 4, 5, 7, 8, 9, 15, 20, 22, 40, 64, 70, 71, 72)
IMPORT = """
import time
begin = time.process_time()
from ferraris.model import registry
imported = time.process_time()
registry.find(3, 0)
one = time.process_time()
registry.classes()
print(imported - begin, one - begin, time.process_time() - begin)
"""


def main() -> None:
    """Print milliseconds, and how many times faster patterns are."""
    imported, one, everything = imports()
    print(f"import the registry            {imported:7.2f} ms   (target 20)")
    print(f"... and find one class         {one:7.2f} ms")
    print(f"... and load every class       {everything:7.2f} ms   ({len(registry.classes())})")
    listed = objects()
    octets = axdr.encode(ObjectListType.dump(listed))
    sets = len({axdr.encode(ObjectListType.dump([each]))[20:] for each in listed})
    print(f"list of {OBJECTS} objects, {len(octets):,} octets, {sets} sets of rights")
    general = cost(lambda: ObjectListType.load(axdr.decode(octets)))
    first = cost(lambda: fresh().read(octets)) - cost(fresh)
    again = cost(lambda: ObjectListType.read(octets))
    print(f"general way                    {general:7.2f} ms")
    print(f"patterns, none known           {first:7.2f} ms   {general / first:5.1f} x (target 2.2)")
    print(
        f"patterns, all known            {again:7.2f} ms   {general / again:5.1f} x (target 0.25)"
    )


def imports() -> tuple[float, float, float]:
    """Milliseconds of processor time of one fresh process, the least of all rounds."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "PYTHONPYCACHEPREFIX": folder}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        rounds = [
            [
                float(each)
                for each in subprocess.run(
                    [sys.executable, "-c", IMPORT],
                    env=environment,
                    check=True,
                    capture_output=True,
                    text=True,
                ).stdout.split()
            ]
            for _ in range(ROUNDS + 1)
        ][1:]
    imported, one, everything = (min(column) * 1e3 for column in zip(*rounds, strict=True))
    return imported, one, everything


def objects() -> list[ObjectListElement]:
    """What a large meter lists: mostly registers, some of everything, rights of a few kinds."""
    chance = random.Random(1)
    declared = [each for each in registry.classes() if each.class_id in COMMON]
    found = []
    for number in range(OBJECTS):
        cls = registry.find(3, 0) if number % 3 else declared[number * 7 % len(declared)]
        assert cls is not None
        kind = chance.randrange(3)
        attributes = [
            AttributeAccess(
                index,
                1 if (index + kind) % 3 else 3,
                [1, 2] if (cls.class_id, index) == (7, 2) else None,
            )
            for index in cls.attributes
        ]
        methods = [MethodAccess(index, 1) for index in cls.methods]
        name = Obis.of(1, 0, number % 100, 8, number // 100, 255)
        rights = AccessRight(attributes, methods)
        found.append(ObjectListElement(cls.class_id, cls.version, name, rights))
    return found


def fresh() -> ObjectList:
    """The type of object lists, with no pattern known."""
    return ObjectList(ObjectListType.method_modes)


def cost(work: Callable[[], object]) -> float:
    """Milliseconds of one run, the least of five times twenty."""
    times = []
    for _ in range(5):
        gc.collect()
        start = time.process_time_ns()
        for _ in range(20):
            work()
        times.append((time.process_time_ns() - start) / 20e6)
    return min(times)


if __name__ == "__main__":
    main()
