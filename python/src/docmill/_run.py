"""`docmill run` as a process whose events can be followed."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Any, Self, Unpack

from docmill._binary import binary
from docmill._options import RunOptions, StrPath, arguments
from docmill._results import Results
from docmill.errors import error_of

# Lines on stderr that are no events, kept for the message of an error.
_KEPT_LINES = 50


@dataclass(frozen=True)
class Event:
    """An event of a run. `docmill help live` lists the kinds and what they hold."""

    kind: str
    at: datetime
    data: dict[str, Any]
    """All fields of the event."""

    def __getitem__(self, field: str) -> Any:
        return self.data[field]


class Run:
    """An active run. Iterate over it for its events.

    As a context manager, it ends the run with its block: docmill sends nothing more, waits for
    calls in flight, and keeps their answers. `wait` inside the block waits for the results.
    """

    def __init__(self, command: list[str], cwd: StrPath | None) -> None:
        self._cwd = cwd
        self._lines: deque[str] = deque(maxlen=_KEPT_LINES)
        self._is_cancelled = False
        self._started: dict[str, Any] | None = None
        self._last: dict[str, Any] = {}
        # A Ctrl-C goes to this process alone, which then sends exactly one signal.
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            cwd=cwd,
            encoding="utf-8",
            errors="replace",
            process_group=0,
        )

    @property
    def pid(self) -> int:
        """The process id of the program."""
        return self._process.pid

    def __iter__(self) -> Iterator[Event]:
        assert self._process.stderr is not None
        # Not `for`: after a `break`, the rest is still to be read.
        while not self._process.stderr.closed and (line := self._process.stderr.readline()):
            if not line.startswith("{"):
                self._lines.append(line.rstrip("\n"))
                continue
            data = json.loads(line)
            match data["event"]:
                case "started":
                    self._started = data
                case "finished" | "failed":
                    self._last = data
            yield Event(data["event"], datetime.fromisoformat(data["at"]), data)

    def wait(self) -> Results:
        """Waits for the end of the run. Raises a `DocmillError` unless all documents are done."""
        for _ in self:
            pass
        code = self._process.wait()
        results = self._results(code)
        if code in (0, 3) and results is not None:
            return results
        message = self._last.get("message") or self._last.get("stopped") or "\n".join(self._lines)
        raise error_of(code, message, results)

    def cancel(self) -> None:
        """Stops the run: docmill drains calls in flight. A second call has no effect."""
        if not self._is_cancelled and self._process.poll() is None:
            self._is_cancelled = True
            self._process.send_signal(signal.SIGINT)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.cancel()
        try:
            for _ in self:
                pass
            self._process.wait()
        except BaseException:
            # A second Ctrl-C. Calls in flight stay in doubt.
            self._process.kill()
            self._process.wait()
            raise
        finally:
            with contextlib.suppress(OSError):
                assert self._process.stderr is not None
                self._process.stderr.close()

    def _results(self, code: int) -> Results | None:
        if self._started is None:
            return None
        return Results(
            self._started["output"],
            jobs=self._started["jobs"],
            exit_code=code,
            summaries={summary["job"]: summary for summary in self._last.get("jobs", [])},
            partial=code not in (0, 3),
            cwd=self._cwd,
        )


def start(*inputs: StrPath, **options: Unpack[RunOptions]) -> Run:
    """Starts a run. Use it in a `with` block.

    with docmill.start("photos/", job="photos.toml") as run:
        for event in run:
            if event.kind == "progress":
                print(event["answered"], "of", event["documents"])
        results = run.wait()
    """
    flags = arguments(inputs, options, RunOptions)
    return Run([binary(), "run", "--progress=json", *flags], options.get("cwd"))


def run(
    *inputs: StrPath,
    on_event: Callable[[Event], object] | None = None,
    **options: Unpack[RunOptions],
) -> Results:
    """Runs a job over documents, and returns the results.

    Answers of earlier runs in the output directory are kept and cost nothing. Rows that failed
    do not raise: see `Results.ok` and `Results.check`.
    """
    with start(*inputs, **options) as active:
        for event in active:
            if on_event is not None:
                on_event(event)
        return active.wait()
