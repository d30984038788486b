"""The processes of an installation as its supervisor wrote them down, in `processes.json`: pids by name."""

import contextlib
import json
import os
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path

from agent.settings import Settings


class ProcessList:
    """The list of one installation; for who looks at it, and who comes after a supervisor that was killed.

    Args:
        settings: home folder.
    """

    def __init__(self, settings: Settings) -> None:
        self._home = settings.home
        self._file = settings.home / "processes.json"

    def read(self) -> dict[str, int]:
        """The process ids by name (`broker`, `journal`, `router-0`, …); empty where there is no list."""
        try:
            found: dict[str, int] = json.loads(self._file.read_text())
        except (FileNotFoundError, ValueError):
            return {}
        return found

    def write(self, processes: Mapping[str, int]) -> None:
        """Writes the list, at once or not at all."""
        fresh = self._file.with_suffix(".new")
        # Only for who comes after a supervisor that was killed: a full disk must not stop this one.
        with contextlib.suppress(OSError):
            fresh.write_text(json.dumps(dict(processes)))
            fresh.replace(self._file)

    def remove(self) -> None:
        """Removes the list: nothing runs any more."""
        self._file.unlink(missing_ok=True)

    def end(self) -> None:
        """Ends at once what is on the list and still ours, and removes the list."""
        for pid in self.read().values():
            shown = _command(pid)
            if "-m workers." in shown or str(self._home.resolve()) in shown:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        self.remove()


def _command(pid: int) -> str:
    """The command line of a process; empty where it has none or can't be told."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    with contextlib.suppress(OSError):
        asked = ["ps", "-ww", "-o", "command=", "-p", str(pid)]
        return subprocess.run(asked, capture_output=True, text=True, check=False).stdout  # noqa: S603
    return ""
