"""`docmill plan`: what a run would cost."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from typing import Any, Unpack

from docmill._binary import binary
from docmill._options import PlanOptions, StrPath, arguments
from docmill.errors import error_of


@dataclass(frozen=True)
class Plan:
    """The prediction for a run."""

    documents: int
    calls: int
    calls_answered: int
    """Calls whose answer is already in the run store. They cost nothing."""
    cost_usd: tuple[float, float] | None
    """The range of the cost in US dollars; `None` if a price is unknown."""
    data: dict[str, Any]
    """All that `docmill plan --json` prints."""


def plan(*inputs: StrPath, **options: Unpack[PlanOptions]) -> Plan:
    """Predicts documents, calls, cost and time of a run. Sends nothing, and needs no key."""
    command = [binary(), "plan", "--json", *arguments(inputs, options, PlanOptions)]
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        cwd=options.get("cwd"),
        encoding="utf-8",
        check=False,
    )
    if done.returncode != 0:
        raise error_of(done.returncode, done.stderr.strip())
    data: dict[str, Any] = json.loads(done.stdout)
    cost = data["cost_usd"]
    return Plan(
        documents=data["documents"],
        calls=data["calls"],
        calls_answered=data["calls_answered"],
        cost_usd=None if cost is None else (cost["low"], cost["high"]),
        data=data,
    )
