"""Results of a run, from its run store."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from docmill._binary import binary
from docmill._options import StrPath
from docmill.errors import error_of

if TYPE_CHECKING:
    import pandas
    import pyarrow

_CAUSES = {
    3: "some rows failed. Their failure codes say why",
    4: "the newest run is incomplete. The same run again continues it",
    6: "a run is active there. Its results are incomplete",
}


def _exit_code(status: Mapping[str, Any], accept_failed: Sequence[str]) -> int:
    """The exit code that a run of docmill would have had, from what is in the directory."""
    if status.get("at_work") is not None:
        return 6
    # A run with `limit` or `sample` is complete without the other documents.
    documents = status.get("documents") or {}
    is_whole = status.get("outcome") == "complete" and documents["pending"] == 0
    if not (is_whole or status.get("outcome") == "sample") or documents["requeued"] > 0:
        return 4
    return 3 if set(documents["failures"]) - set(accept_failed) else 0


class Results:
    """The results in an output directory.

    `Results("output")` opens those of an earlier run, and raises `UsageError` if there are none.
    Values come from the run store by `docmill export`, so they do not depend on `output.formats`.
    """

    def __init__(
        self,
        output: StrPath,
        *,
        jobs: Sequence[str] = (),
        accept_failed: Sequence[str] = (),
        exit_code: int | None = None,
        summaries: Mapping[str, dict[str, Any]] | None = None,
        partial: bool = False,
        cwd: StrPath | None = None,
    ) -> None:
        self.output = output
        self.jobs = tuple(jobs)
        """Names of the jobs of the run; empty if an earlier run was opened."""
        self.partial = partial
        """Whether the results of an incomplete run count, although an earlier one is complete."""
        self._cwd = cwd
        if exit_code is None:
            exit_code = _exit_code(self._status(), accept_failed)
            summaries = self._summaries() if summaries is None else summaries
        self.exit_code = exit_code
        """0: all rows are ok. 3: rows failed. 4: the newest run is incomplete. 6: it is active."""
        self.summaries = dict(summaries or {})
        """For each job, the content of its `summary.json`."""

    @property
    def ok(self) -> bool:
        """Whether the newest run is complete and no row failed, apart from codes in
        `accept_failed`.
        """
        return self.exit_code == 0

    def check(self) -> Results:
        """Raises `FailedRows` if rows failed, and `Stopped` or `Busy` if the run is incomplete."""
        if not self.ok:
            why = _CAUSES.get(self.exit_code, f"the run ended with exit code {self.exit_code}")
            raise error_of(self.exit_code, f"docmill: {self.output}: {why}", self)
        return self

    def rows(self, job: str | None = None) -> Iterator[dict[str, Any]]:
        """The rows in input order, as in `results.jsonl`, with the answer of each call.

        Without a job: the rows of all jobs, one job after another.
        """
        for name in [job] if job is not None else self.jobs or [None]:
            with self._export("jsonl", name) as stream:
                for line in stream:
                    yield json.loads(line)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return self.rows()

    def to_arrow(self, job: str | None = None) -> pyarrow.Table:
        """A typed table of one job. Needs `docmill[arrow]`."""
        import pyarrow.ipc

        with self._export("arrow", job) as stream, pyarrow.ipc.open_stream(stream) as reader:
            table: pyarrow.Table = reader.read_all()
        return table

    def to_pandas(self, job: str | None = None) -> pandas.DataFrame:
        """A typed data frame of one job. Needs `docmill[pandas]`."""
        frame: pandas.DataFrame = self.to_arrow(job).to_pandas()
        return frame

    def _status(self) -> dict[str, Any]:
        """What `docmill status` knows of the newest run."""
        done = subprocess.run(
            [binary(), "status", "--json", f"--output={self.output}"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            cwd=self._cwd,
            encoding="utf-8",
            check=False,
        )
        if done.returncode != 0:
            raise error_of(done.returncode, done.stderr.strip(), None)
        status: dict[str, Any] = json.loads(done.stdout)
        return status

    def _summaries(self) -> dict[str, dict[str, Any]]:
        """The content of each `summary.json` in the directory."""
        files = Path(self._cwd or ".", self.output).glob("*/summary.json")
        found = [json.loads(file.read_text(encoding="utf-8")) for file in sorted(files)]
        return {summary["job"]: summary for summary in found}

    @contextmanager
    def _export(self, form: str, job: str | None) -> Iterator[IO[bytes]]:
        """The output of `docmill export`. Its errors are raised at the end."""
        command = [binary(), "export", f"--format={form}", "--to=-", f"--output={self.output}"]
        command += [f"--job={job}"] if job is not None else []
        command += ["--partial"] if self.partial else []
        with (
            tempfile.TemporaryFile() as errors,
            subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                cwd=self._cwd,
            ) as process,
        ):
            assert process.stdout is not None
            is_whole = False
            failure: Exception | None = None
            try:
                yield process.stdout
                is_whole = True
            except ValueError as error:  # a stream that broke off; the exit code says why
                failure = error
            finally:
                if not is_whole and failure is None:
                    process.kill()  # the reader has gone
            if process.wait() != 0:
                errors.seek(0)
                message = errors.read().decode(errors="replace").strip()
                raise error_of(process.returncode, message) from failure
            if failure is not None:
                raise failure
