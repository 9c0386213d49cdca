"""Options of `run`, `start` and `plan`, and the arguments that they become."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, TypeAlias, TypedDict, cast

StrPath: TypeAlias = str | os.PathLike[str]
Setting: TypeAlias = "str | bool | int | float | Sequence[Setting] | Mapping[str, Setting]"


class PlanOptions(TypedDict, total=False):
    """Options of `docmill plan`. `docmill help plan` explains them."""

    job: StrPath
    tasks: str | Sequence[str]
    output: StrPath
    rows: StrPath | Sequence[StrPath]
    tables: Literal["document", "rows"]
    text_column: str
    id_column: str
    keep_columns: str | Sequence[str]
    files_from: StrPath
    max_usd: float
    limit: int
    sample: int
    add: bool
    replace: bool
    config: StrPath
    settings: Mapping[str, Setting]
    """Settings of `pipeline.toml`: `{"llm.concurrency": 8}` or `{"llm": {"concurrency": 8}}`."""
    cwd: StrPath
    """Where docmill looks for `pipeline.toml`, and where relative paths begin."""


class RunOptions(PlanOptions, total=False):
    """Options of `docmill run`. `docmill help run` explains them."""

    stream: bool
    retry_failed: bool | str
    accept_failed: str | Sequence[str]
    in_doubt: Literal["resend", "skip"]


# A name that needs no quotation marks in TOML.
_BARE = re.compile("[A-Za-z0-9_-]+")
# Options that are settings: values with commas are safe there.
_SETTINGS = {
    "tasks": "job.tasks",
    "keep_columns": "input.keep_columns",
    "accept_failed": "output.accept_failed",
}


def arguments(
    inputs: Iterable[StrPath], options: PlanOptions | RunOptions, known: type[PlanOptions]
) -> list[str]:
    """The arguments for inputs and options. Raises `TypeError` for an unknown option."""
    found: list[str] = []
    for name, value in options.items():
        if name not in known.__annotations__:
            raise TypeError(f"unknown option {name!r}")
        flag = "--" + name.replace("_", "-")
        if name == "cwd" or value is None or value is False:
            continue
        if name == "settings":
            for key, setting in _flat("", cast("Mapping[str, Setting]", value)):
                found += ["--set", f"{key}={_toml(setting)}"]
        elif name in _SETTINGS:
            names = [value] if isinstance(value, str) else list(cast("Sequence[str]", value))
            found += ["--set", f"{_SETTINGS[name]}={_toml(names)}"]
        elif name == "retry_failed" and not isinstance(value, (bool, str)):
            raise TypeError("retry_failed takes True or one code")
        elif name == "rows" and not isinstance(value, (str, os.PathLike)):
            found += [f"{flag}={os.fspath(table)}" for table in cast("Sequence[StrPath]", value)]
        elif value is True:
            found.append(flag)
        else:
            text = os.fspath(value) if isinstance(value, os.PathLike) else str(value)
            found.append(f"{flag}={text}")
    paths = [os.fspath(path) for path in inputs]
    return [*found, "--", *paths] if paths else found


def _flat(prefix: str, settings: Mapping[str, Setting]) -> Iterable[tuple[str, Setting]]:
    for key, value in settings.items():
        # A name inside a table may have dots, such as that of a model. At the top, dots are a path.
        own = key if not prefix or _BARE.fullmatch(key) else json.dumps(key, ensure_ascii=False)
        if isinstance(value, Mapping):
            yield from _flat(f"{prefix}{own}.", value)
        elif value is None:
            raise TypeError(f"settings: {prefix}{own} is None; leave it out for its default")
        else:
            yield prefix + own, value


def _toml(value: Setting) -> str:
    # JSON without objects is TOML.
    return json.dumps(value, ensure_ascii=False)
