"""`python -m bench [NAME]`: all benchmarks, or one."""

from __future__ import annotations

import sys

from ferraris.cli.main import run

sys.exit(run(["bench", *sys.argv[1:]]))
