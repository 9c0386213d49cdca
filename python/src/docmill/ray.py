"""Runs the shards of a docmill run on a Ray cluster. `docmill help shards` explains shards.

A Ray task is one attempt at one shard: a docmill process. The driver decides by exit codes and
heartbeats. Only arguments and exit codes travel through Ray: no documents, answers or keys.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
import time
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any, Unpack

import ray
from ray.exceptions import RayError, RayTaskError

from docmill._binary import binary
from docmill._options import RunOptions, StrPath, arguments
from docmill._shard import run_shard
from docmill.errors import DocmillError, UsageError, error_of

# The report alone goes to stdout.
_tell = partial(print, file=sys.stderr, flush=True)
DONE, NEVER, LATER, FENCED, LOST = 0, 64, 75, 76, -1
# Settings whose values may be secret.
_PRIVATE = ("llm.headers", "llm.query", "llm.body", "budget.token")


@dataclass
class Report:
    """What `submit` did."""

    shards: int = 0
    already_committed: int = 0
    attempts: int = 0
    lost: int = 0
    """Attempts whose process or node died."""
    silent: list[int] = field(default_factory=list)
    """Shards that were started again because their heartbeat was silent."""
    unfinished: dict[int, int] = field(default_factory=dict)
    """Shards without a commit, with the exit code of their last attempt."""


@dataclass
class _Attempt:
    shard: int
    beat: object
    """The last heartbeat; at first, that of an earlier attempt."""
    seen: float
    """When it changed. Before its first change: when the attempt began to wait for nothing."""
    has_begun: bool = False


def submit(
    run: str,
    *inputs: StrPath,
    address: str | None = None,
    num_cpus: float = 1,
    attempts: int = 5,
    silent_s: float = 60,
    budget: str | None = None,
    more: Sequence[str] = (),
    **options: Unpack[RunOptions],
) -> Report:
    """Runs all shards of the shared run `run` that are not committed. The same call continues.

    `inputs`, `options` and `more` arguments are those of `docmill run`; each node reads the same
    paths. A shard takes `num_cpus` of the cluster, and may be lost `attempts` times. One whose
    heartbeat is silent for `silent_s` seconds is started again. `budget` is the address of a
    budget service. Raises `UsageError` if a shard cannot run anywhere (exit code 64).
    """
    if num_cpus <= 0:
        raise UsageError("num_cpus: must be above 0", 2)
    command = ["run", f"--run={run}", "--quiet", f"--set=prepare.workers={math.ceil(num_cpus)}"]
    command += [f"--set=budget.service={budget}"] if budget else []
    command += [*more, *arguments(inputs, options, RunOptions)]
    for text in command:
        has_password = "@" in text.partition("://")[2].partition("/")[0]
        is_private = text.removeprefix("--set=").startswith(_PRIVATE) and "env:" not in text
        if has_password or is_private:
            what = text.partition("=")[0]
            raise UsageError(f"{what}: Ray shows arguments. Use env:NAME or a settings file", 2)
    if not ray.is_initialized():
        ray.init(address=address)
    task = ray.remote(num_cpus=num_cpus, max_retries=0)(run_shard)
    return _Driver(run, command, task, num_cpus, attempts, silent_s).drive()


@dataclass
class _Driver:
    run: str
    command: list[str]
    task: Any
    num_cpus: float
    most: int
    silent_s: float
    active: dict[Any, _Attempt] = field(default_factory=dict)
    losses: Counter[int] = field(default_factory=Counter)
    beats: dict[int, object] = field(default_factory=dict)
    report: Report = field(default_factory=Report)

    def drive(self) -> Report:
        state = self.status()
        self.report.shards, self.report.already_committed = state["shards"], state["committed"]
        look_s, looked = min(5.0, self.silent_s / 4), 0.0
        todo, later, codes = deque(self.beats), list[int](), Counter[int]()
        _tell(f"{state['shards']} shards: {state['committed']} committed, {len(todo)} to run")
        while self.active or (todo and not codes[NEVER]):
            while todo and not codes[NEVER] and len(self.active) < max(1, 2 * self.slots()):
                shard = todo.popleft()
                ref = self.task.remote(self.command, f"{shard}/{state['shards']}")
                self.active[ref] = _Attempt(shard, self.beats.get(shard), time.monotonic())
                self.report.attempts += 1
            for ref in ray.wait(list(self.active), timeout=look_s)[0]:
                shard, code = self.active.pop(ref).shard, _code(ref)
                codes[code] += 1
                self.report.unfinished[shard] = code
                if code == LATER:
                    later.append(shard)
                elif code not in (DONE, NEVER, FENCED):
                    self.report.lost += 1
                    todo.extend(self.again(shard))
                _tell(f"shard {shard}: exit code {code}; {len(self.active) + len(todo)} left")
            if time.monotonic() - looked >= look_s:
                todo.extend(self.silent())
                looked = time.monotonic()
            if not self.active and not todo and codes[DONE]:
                # Once more, unless the last round committed nothing, as under a cap.
                todo, later, codes[DONE] = deque(later), [], 0
        last = self.report.unfinished
        left = self.status()["unfinished"]
        self.report.unfinished = {e["shard"]: last.get(e["shard"], LATER) for e in left}
        if codes[NEVER]:
            raise UsageError("docmill: exit code 64: a shard cannot run. Its log says why", 2)
        return self.report

    def again(self, shard: int) -> list[int]:
        self.losses[shard] += 1
        return [shard] if self.losses[shard] < self.most else []

    def silent(self) -> list[int]:
        """Gives up attempts whose heartbeat is silent, and returns their shards."""
        now, found = time.monotonic(), list[int]()
        try:
            self.status("--shards", ",".join(str(a.shard) for a in self.active.values()) or "0")
        except (DocmillError, subprocess.TimeoutExpired) as error:
            _tell(f"cannot look at heartbeats: {error}")
            for attempt in self.active.values():
                attempt.seen = now
        is_full = sum(a.has_begun for a in self.active.values()) >= self.slots()
        for ref, attempt in list(self.active.items()):
            if self.beats.get(attempt.shard) != attempt.beat:
                attempt.beat, attempt.has_begun = self.beats.get(attempt.shard), True
                attempt.seen = now
            elif is_full and not attempt.has_begun:
                attempt.seen = now  # it waits for a slot
            # An attempt that has not begun has paid nothing. It may be slow to start.
            if now - attempt.seen > self.silent_s * (1 if attempt.has_begun else 5):
                _tell(f"shard {attempt.shard}: silent, it is started again")
                del self.active[ref]
                ray.cancel(ref, force=True)
                self.report.silent += [attempt.shard] if attempt.has_begun else []
                found += self.again(attempt.shard)
        return found

    def slots(self) -> int:
        return int(ray.cluster_resources().get("CPU", 0) // self.num_cpus)

    def status(self, *more: str) -> dict[str, Any]:
        command = [binary(), "status", "--run", self.run, "--json", *more]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
        if done.returncode != 0:
            raise error_of(done.returncode, done.stderr.strip())
        state: dict[str, Any] = json.loads(done.stdout)
        self.beats |= {entry["shard"]: entry["heartbeat"] for entry in state["unfinished"]}
        return state


def _code(ref: Any) -> int:
    try:
        return int(ray.get(ref))
    except RayTaskError as error:
        _tell(error)  # a node cannot start the program
        return NEVER
    except RayError:
        return LOST


def main() -> int:
    """`docmill-ray submit`: exit code 0 if all shards are committed, 4 if some are not."""
    parser = argparse.ArgumentParser(
        "docmill-ray",
        description="Runs the shards of a shared docmill run on Ray.",
        epilog="All other arguments are those of `docmill run`, the same as for the plan.",
        allow_abbrev=False,
    )
    parser.add_argument("command", choices=["submit"])
    parser.add_argument("--run", required=True, help="directory or s3://BUCKET/PREFIX (gs, az)")
    parser.add_argument("--address", help="of the cluster [default: RAY_ADDRESS, or a local one]")
    parser.add_argument("--num-cpus", type=float, default=1, help="CPUs of a shard [default: 1]")
    parser.add_argument("--attempts", type=int, default=5, help="losses of a shard [default: 5]")
    parser.add_argument("--silent-s", type=float, default=60, help="silence of a dead attempt")
    parser.add_argument("--budget", metavar="URL", help="budget service that all shards share")
    own, more = parser.parse_known_args()
    named = vars(own)
    del named["command"]
    try:
        report = submit(**named, more=more)
    except DocmillError as error:
        _tell(error)
        return error.exit_code
    print(json.dumps(asdict(report)))
    return 4 if report.unfinished else 0


if __name__ == "__main__":
    sys.exit(main())
