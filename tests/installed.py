"""Is the installed distribution whole? Run by ``tox -e wheel`` outside the checkout; prints one line.

A package that is misspelt in pyproject.toml builds green and is silently left out, so every file of the checkout is
looked for in the installed distribution, and every component of ``sslbench plugins --json`` is imported.
"""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import Distribution, distribution
from importlib.util import find_spec
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
PACKAGES = [CHECKOUT / "ssl_bench", *sorted(path for path in (CHECKOUT / "plugins").iterdir() if path.is_dir())]


def expected() -> set[str]:
    """Files of the packages, as the distribution should name them."""
    return {
        path.relative_to(package.parent).as_posix()
        for package in PACKAGES
        for path in package.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and not path.name.startswith(".")
    }


def check_files(installed: Distribution) -> int:
    """Every file of the checkout is installed, away from the checkout."""
    import ssl_bench

    home, site = Path(ssl_bench.__file__).resolve().parent, Path(str(installed.locate_file(""))).resolve()
    assert home == site / "ssl_bench", f"imported from {home}, installed in {site}"
    present = {file.as_posix() for file in installed.files or () if Path(str(installed.locate_file(file))).is_file()}
    missing = sorted(expected() - present)
    assert not missing, f"not in the wheel: {', '.join(missing)}"
    return len(expected())


def check_components(installed: Distribution) -> int:
    """Every component that the installed program lists can be imported, and none is broken."""
    from ssl_bench.plugin.registry import discover

    program = Path(sys.executable).with_name("sslbench")
    listing = json.loads(subprocess.run([program, "plugins", "--json"], capture_output=True, check=True).stdout)
    assert not listing["broken"], listing["broken"]
    own = [row for row in listing["components"] if row["distribution"] == installed.name]
    registry = discover()
    for row in own:
        component = registry.get(row["kind"], row["name"])
        if row["kind"] != "encoder" or all(map(find_spec, component.requires)):  # their readers are an extra
            component.load()
        component.options_model()
    plugins = {point.value for point in installed.entry_points if point.group == "sslbench"}
    assert plugins == {package.name for package in PACKAGES[1:]}, f"entry points: {plugins}"
    return len(own)


def main() -> None:
    """Check, and say what was checked."""
    installed = distribution("sslbench")
    files, components = check_files(installed), check_components(installed)
    print(f"sslbench {installed.version}: {files} files installed, {components} components load")


if __name__ == "__main__":
    main()
