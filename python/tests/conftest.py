"""Fixtures: a directory with documents and settings, as a user has them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with twelve texts in `docs`."""
    (tmp_path / "docs").mkdir()
    for number in range(12):
        text = f"Letter {number}. The heat pump in room {number} dries wood, and it works well.\n"
        (tmp_path / "docs" / f"{number:02}.txt").write_text(text * (number + 1))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def samples(tmp_path: Path) -> Path:
    """A copy of the sample data of the repository."""
    return Path(shutil.copytree(ROOT / "sample_data", tmp_path / "sample_data"))
