"""One attempt at one shard, as a process that dies with its parent."""

import os
import subprocess
import sys
from collections.abc import Sequence

from docmill._binary import binary

# If the parent dies, SIGTERM drains docmill, and the next attempt finds its answers. A parent that
# has died already would send nothing.
_LAUNCHER = (
    "import ctypes, os, sys; ctypes.CDLL(None).prctl(1, 15); "
    "os.getppid() == int(sys.argv[1]) or sys.exit(75); os.execv(sys.argv[2], sys.argv[2:])"
)


def run_shard(command: Sequence[str], shard: str) -> int:
    """Runs `command`, such as `run --run RUN`, for a shard. Returns the exit code."""
    parts = [str(os.getpid()), binary(), command[0], f"--shard={shard}", *command[1:]]
    launch = [sys.executable, "-c", _LAUNCHER, *parts]
    quiet = subprocess.DEVNULL
    return subprocess.run(launch, stdin=quiet, stdout=quiet, check=False).returncode
