"""Time until the package is imported and until `connect` can be called, and what commands take.

    python bench/startup.py

Each round is a process of its own. Bytecode is cached in a folder of this run, as an installed
package has it; the first round only fills it.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile

ROUNDS = 9
ROUND = """
import time
begin = time.process_time()
import ferraris
imported = time.process_time()
ferraris.connect
print(imported - begin, time.process_time() - begin)
"""
COMMANDS = (
    "--help",
    "read --help",
    "decode 0100",
    "headend --help",
    "headend me --help",
    "headend meters list --help",
)
COMMAND = "import sys; from ferraris.cli.main import run; sys.exit(run(sys.argv[1:]))"


def main() -> None:
    """Print milliseconds of processor time, the least of all rounds."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "PYTHONPYCACHEPREFIX": folder}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        rounds = [measure(environment) for _ in range(ROUNDS + 1)][1:]
        commands = {
            each: min([command(environment, each) for _ in range(ROUNDS + 1)][1:])
            for each in COMMANDS
        }
    imported, ready = (min(column) * 1e3 for column in zip(*rounds, strict=True))
    print(f"import ferraris         {imported:6.1f} ms   (minimum 90, target 50)")
    print(f"first `connect` ready   {ready:6.1f} ms   (minimum 200, target 120)")
    for each, spent in commands.items():
        print(f"{'ferraris ' + each:55} {spent * 1e3:6.0f} ms, the whole process")


def measure(environment: dict[str, str]) -> tuple[float, float]:
    """Processor seconds of one fresh process: import, and import with `connect`."""
    told = subprocess.run(
        [sys.executable, "-c", ROUND], env=environment, check=True, capture_output=True, text=True
    ).stdout.split()
    return float(told[0]), float(told[1])


def command(environment: dict[str, str], words: str) -> float:
    """Processor seconds of a command line, from the start of its process to the end."""
    before = os.times()
    asked = [sys.executable, "-c", COMMAND, *words.split()]
    subprocess.run(asked, env=environment, check=True, stdout=subprocess.DEVNULL)
    after = os.times()
    user, system = (after[place] - before[place] for place in (2, 3))
    return user + system


if __name__ == "__main__":
    main()
