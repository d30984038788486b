"""The short form of `python -m tools.torture`: everything at once, on real processes."""

import subprocess
import sys

import pytest

from agent.settings import PROJECT

pytestmark = pytest.mark.long


def test_nothing_is_lost_or_doubled_under_faults() -> None:
    """Kills, hangs, cut connections, a full disk and a flood: every turn has one final, no side effect comes twice.

    The plan goes by the turns that are done, so that a busy machine breaks no more often than it gets on. Two slots a
    role, so that what one leaves behind goes to the other.
    """
    done = subprocess.run(
        [
            *(sys.executable, "-m", "tools.torture", "--turns", "150", "--seed", "5", "--pace", "10", "--flood", "40"),
            *("--calm", "--kill", "any=2", "--fault", "stop=4", "--fault", "cut=3", "--fault", "disk=6"),
            *("--fault", "flood=5", "--slots", "router=2,chat=2"),
        ],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "| violations | 0 |" in done.stdout
