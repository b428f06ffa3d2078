"""Master keys in a token: the keys of a meter are wrapped there, and the master stays inside."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "keys"))

from softhsm import PIN, configured, make_token, module


@pytest.mark.services
def test_a_meter_whose_master_key_lies_in_a_token_gets_its_keys(tmp_path):
    library = module()
    environment = configured(tmp_path)
    make_token(environment, "ferraris")
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("one_token.py")), library, PIN, tmp_path],
        env=environment | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout == "active active\n", done.stderr
