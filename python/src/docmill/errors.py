"""Errors with the exit codes of docmill."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from docmill._results import Results


class DocmillError(Exception):
    """docmill ended with an exit code other than 0."""

    def __init__(self, message: str, exit_code: int, results: Results | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.exit_code = exit_code
        self.results = results
        """The results so far, if the run had begun."""


class InternalError(DocmillError):
    """Exit code 1: a fault of docmill or of this machine."""


class UsageError(DocmillError):
    """Exit code 2: arguments, settings, job file or input are wrong. Nothing was sent."""


class FailedRows(DocmillError):
    """Exit code 3: the run finished, and some rows failed. Only `Results.check` raises it."""


class Stopped(DocmillError):
    """Exit code 4: stopped early by a signal, a cap or a failure. The same call continues."""


class Refused(DocmillError):
    """Exit code 5: the provider refuses: key, model, credit."""


class Busy(DocmillError):
    """Exit code 6: another docmill is at work in the output directory."""


class Aborted(DocmillError):
    """The program was killed, or ended at once by a second signal. The same call continues."""


_KINDS: dict[int, type[DocmillError]] = {
    1: InternalError,
    2: UsageError,
    3: FailedRows,
    4: Stopped,
    5: Refused,
    6: Busy,
    130: Aborted,
    143: Aborted,
}


def error_of(exit_code: int, message: str, results: Results | None = None) -> DocmillError:
    """The error for an exit code. A negative code is the signal that killed the program."""
    if not message:
        cause = f"signal {-exit_code}" if exit_code < 0 else f"exit code {exit_code}"
        message = f"docmill: ended with {cause}"
    kind = Aborted if exit_code < 0 else _KINDS.get(exit_code, DocmillError)
    return kind(message, exit_code, results)
