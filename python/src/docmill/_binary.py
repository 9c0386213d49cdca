"""Finds the program."""

import os
import shutil
import sysconfig
from pathlib import Path


def binary() -> str:
    """The path of the program.

    `DOCMILL` names it, or it is the one that was installed with this package, or the first
    one in `PATH`. Raises `FileNotFoundError` if there is none.
    """
    if named := os.environ.get("DOCMILL"):
        if shutil.which(named) is None:
            raise FileNotFoundError(
                f"docmill: DOCMILL={named} is not a program. Set it to the path of docmill, "
                "or unset it to use the program of this package"
            )
        return named
    schemes = [sysconfig.get_default_scheme(), sysconfig.get_preferred_scheme("user")]
    places = [Path(sysconfig.get_path("scripts", scheme)) for scheme in schemes]
    # `pip install --target DIR` puts programs into DIR/bin.
    places.append(Path(__file__).parent.parent / "bin")
    for place in places:
        if (path := place / "docmill").is_file():
            return str(path)
    if found := shutil.which("docmill"):
        return found
    looked = ", ".join(str(place) for place in places)
    raise FileNotFoundError(
        f"docmill: cannot find the program in {looked} or PATH. Install the package again, "
        "or set DOCMILL to its path"
    )
