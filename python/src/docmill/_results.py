"""Results of a run, from its run store."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any

from docmill._binary import binary
from docmill._options import StrPath
from docmill.errors import FailedRows, error_of

if TYPE_CHECKING:
    import pandas
    import pyarrow


class Results:
    """The results in an output directory.

    `Results("output")` opens those of an earlier run. Values come from the run store by
    `docmill export`, so they do not depend on `output.formats`.
    """

    def __init__(
        self,
        output: StrPath,
        *,
        jobs: Sequence[str] = (),
        exit_code: int = 0,
        summaries: Mapping[str, dict[str, Any]] | None = None,
        partial: bool = False,
        cwd: StrPath | None = None,
    ) -> None:
        self.output = output
        self.jobs = tuple(jobs)
        """Names of the jobs of the run; empty if an earlier run was opened."""
        self.exit_code = exit_code
        self.summaries = dict(summaries or {})
        """For each job, the content of its `summary.json`."""
        self.partial = partial
        """Whether the results of an incomplete run count, although an earlier one is complete."""
        self._cwd = cwd

    @property
    def ok(self) -> bool:
        """Whether no row failed, apart from codes in `accept_failed`."""
        return self.exit_code == 0

    def check(self) -> Results:
        """Raises `FailedRows` if rows failed."""
        if not self.ok:
            message = f"docmill: {self.output}: some rows failed. Their failure codes say why"
            raise FailedRows(message, self.exit_code, self)
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
