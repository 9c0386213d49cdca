"""Run docmill from Python: a typed wrapper around the program in this package.

`run` waits for the results, `start` gives the events of a run while it is active, and `plan`
predicts its cost. Each function starts the program as a process of its own.
"""

from docmill._binary import binary
from docmill._options import PlanOptions, RunOptions, Setting
from docmill._plan import Plan, plan
from docmill._results import Results
from docmill._run import Event, Run, run, start
from docmill.errors import (
    Aborted,
    Busy,
    DocmillError,
    FailedRows,
    InternalError,
    Refused,
    Stopped,
    UsageError,
)

__all__ = [
    "Aborted",
    "Busy",
    "DocmillError",
    "Event",
    "FailedRows",
    "InternalError",
    "Plan",
    "PlanOptions",
    "Refused",
    "Results",
    "Run",
    "RunOptions",
    "Setting",
    "Stopped",
    "UsageError",
    "binary",
    "plan",
    "run",
    "start",
]
