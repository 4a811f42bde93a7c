"""Pages of the site that are made from the code: commands, configuration, components, Python, the notebook."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

OUTSIDE = re.compile(r"\[([^\]]+)\]\(\.\./(?!images/)[^)]*\)")
"""A link to a file of the repository that is no page."""

INLINE = re.compile(r"(?<!</span>)<code>([^<]*)</code>")
HEADING = re.compile(r"(<th[^>]*>)([^<]*)(</th>)")
ROLE = re.compile(r":(?:attr|class|func|meth|mod):(?=<code>)")
"""What docstrings say of a name before it, which is no text."""

CELL = re.compile(r"<td[^>]*>.*?</td>", re.DOTALL)
NUMBERS = re.compile(r"(?<= )\[[-+\d., ]+\]|\bp [=<&][lt;]* [\d.]+")
"""An interval beside its estimate, or a p value, which stay in one line."""

JOINT = re.compile(r"(?<=[a-z])([/._=,]|::)(?=\w)")
"""Where a long name may go on in the next line."""


DRAWN = re.compile("<table[^>]*>")
"""The begin of a table of pandas, whose class and border are not those of the site."""


def on_config(config: Any) -> Any:
    """Pages that the navigation does not place stand in a part of their own, so that none is lost."""
    folder = Path(config["docs_dir"])
    written = {path.relative_to(folder).as_posix() for path in folder.rglob("*.md")}
    if unplaced := sorted(written - set(placed(config["nav"]))):
        config["nav"].append({"More": unplaced})
    return config


def placed(nav: Any) -> list[str]:
    """The pages of a navigation."""
    if isinstance(nav, str):
        return [nav]
    return [page for part in (nav.values() if isinstance(nav, dict) else nav) for page in placed(part)]


def on_files(files: Files, config: Any) -> Files:
    """Add the generated pages."""
    pages = {"reference/commands.md": commands, "reference/configuration.md": configuration,
             "reference/components.md": components, "reference/python.md": python}  # fmt: skip
    for place, write in pages.items():
        files.append(File.generated(config, place, content=named("\n".join(write()) + "\n")))
    notebook = Path(config["docs_dir"]) / "tutorials" / "notebook.ipynb"
    files.append(File.generated(config, "tutorials/notebook.md", content=cells(notebook)))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Name files of the repository without a link: the site does not hold them."""
    return markdown if "/" in page.file.src_uri else OUTSIDE.sub(r"\1", markdown)


def on_post_page(output: str, **_: Any) -> str:
    """Inline code and numbers go on in the next line where a reader expects it.

    Code does at a joint of a name or between words, never inside a flag or a word; intervals and p values do not.
    """
    output = ROLE.sub("", output)
    output = CELL.sub(lambda cell: NUMBERS.sub(lambda found: found[0].replace(" ", "&nbsp;"), cell[0]), output)
    output = INLINE.sub(lambda found: f"<code>{' '.join(map(jointed, found[1].split()))}</code>", output)
    return HEADING.sub(lambda found: found[1] + jointed(found[2]) + found[3], output)


def jointed(word: str) -> str:
    """A word of inline code or a heading: a flag stays whole, another may go on at its joints."""
    return f'<span class="whole">{word}</span>' if word.startswith("-") else JOINT.sub(r"\1<wbr>", word)


def named(text: str) -> str:
    """A page whose tables begin with names of options, which stay whole."""
    return f'<div class="names" markdown>\n\n{text}\n</div>\n'


def cells(path: Path) -> str:
    """A notebook as a page."""
    parts = []
    for cell in json.loads(path.read_text())["cells"]:
        text = "".join(cell["source"])
        parts.append(text if cell["cell_type"] == "markdown" else f"```python\n{text}\n```")
        parts += [printed(output["data"]) for output in cell.get("outputs", [])]
    return "\n\n".join(parts) + "\n"


def printed(data: dict[str, Any]) -> str:
    """What a cell shows: a table as it is, all else as text."""
    if table := "".join(data.get("text/html", "")):
        lines = [line.strip() for line in DRAWN.sub("<table>", table).splitlines()]
        return f'<div class="shown">{"".join(lines)}</div>'
    return f"```\n{''.join(data['text/plain'])}\n```"


def commands() -> Iterator[str]:
    """Every command with its options, by panels."""
    import typer.main

    from ssl_bench.cli import app

    yield "# Commands\n"
    yield "Generated from the program; `sslbench COMMAND -h` prints the same. Every command takes `-h` and `--help`.\n"
    yield from group(typer.main.get_command(app), "sslbench")


def group(found: Any, before: str) -> Iterator[str]:
    """The commands of a group."""
    for name, command in found.commands.items():
        if hasattr(command, "commands"):
            yield from group(command, f"{before} {name}")
        else:
            yield from one(command, f"{before} {name}")


def one(command: Any, called: str) -> Iterator[str]:
    """A command."""
    from ssl_bench.cli.panels import MANY, panel_of

    yield f"## {called}\n"
    yield " ".join((command.help or "").split()) + "\n"
    rows: dict[str, list[str]] = {}
    for param in command.params:
        argument = param.param_type_name == "argument"
        many = len(command.params) >= MANY
        title = "Arguments" if argument else panel_of(str(param.name)) if many else "Options"
        names = f"`{param.name.upper()}`" if argument else ", ".join(f"`{name}`" for name in param.opts)
        rows.setdefault(title, []).append(f"| {names} | {cell(param.help)} |")
    for title in sorted(rows, key=lambda title: title != "Arguments"):
        yield f"| {title} | |\n|---|---|"
        yield "\n".join(rows[title]) + "\n"


def configuration() -> Iterator[str]:
    """Every key of the configuration with its default and what it is."""
    from ssl_bench.config.config import RunConfig

    yield "# Configuration\n"
    yield "Any key can be set with `--set KEY=VALUE`, in a `--config` file, or in `settings` of `ssl_bench.run`."
    yield "The layers are defaults, preset, recipe, files, flags; later ones override earlier ones.\n"
    yield from section(RunConfig(), "")


def section(values: Any, before: str) -> Iterator[str]:
    """A table of keys, then the tables below."""
    from ssl_bench.config.config import Section

    nested, rows = [], []
    for name, field in type(values).model_fields.items():
        value = getattr(values, name)
        if isinstance(value, Section):
            nested.append((name, value))
            continue
        plain = value.model_dump(mode="json") if hasattr(value, "model_dump") else value
        rows.append(f"| `{before}{name}` | `{cell(json.dumps(plain, default=str))}` | {cell(field.description)} |")
    yield f"## {before.rstrip('.') or 'run'}\n"
    yield " ".join((type(values).__doc__ or "").split()) + "\n"
    yield "| key | default | meaning |\n|---|---|---|\n" + "\n".join(rows) + "\n"
    for name, value in nested:
        yield from section(value, f"{before}{name}.")


def components() -> Iterator[str]:
    """Every built-in component with its options, defaults and where it comes from."""
    from ssl_bench.cli.show import component_values
    from ssl_bench.plugin.registry import discover

    yield "# Components and their options\n"
    yield "Generated from the installed components; `sslbench show KIND NAME` prints the same.\n"
    kind = ""
    for offer in discover().offers():
        values = component_values(offer)
        if values["kind"] != kind:
            kind = values["kind"]
            yield f"## {kind}\n"
        yield f"### {kind} {values['name']}\n"
        yield f"{values['summary']}\n"
        yield "\n".join(f"* {title}: {cell(text)}" for title, text in values["traits"].items()) + "\n"
        if values["options"]:
            yield f"{source(offer.component)}\n"
            yield "| key | default | meaning |\n|---|---|---|"
            yield "\n".join(option(one) for one in values["options"]) + "\n"


def source(component: Any) -> str:
    """What the options are and where they come from, as their model says it."""
    return (component.options_model().__doc__ or "").strip().splitlines()[0]


def option(one: dict[str, Any]) -> str:
    """A row of an option: its default, those of the presets, its meaning and its search space."""
    default = "required" if one["required"] else f"`{cell(json.dumps(one['default'], default=str))}`"
    presets = ", ".join(f"{name} `{cell(json.dumps(value))}`" for name, value in one["presets"].items())
    tuned = f"; tuned: {cell(one['tuned'])}" if one["tuned"] else ""
    return f"| `{one['key']}` | {default}{f' ({presets})' if presets else ''} | {cell(one['help'])}{tuned} |"


def python() -> Iterator[str]:
    """The functions and objects of the API, and what an author of plugins imports."""
    yield "# Python\n"
    yield "`import ssl_bench` loads no torch. The [notebook](../tutorials/notebook.md) walks through the functions.\n"
    yield "## Runs and leaderboards\n"
    for name in (
        "run",
        "load_run",
        "Run",
        "compare",
        "Comparison",
        "leaderboard",
        "Leaderboard",
        "score",
        "Score",
    ):
        yield f"::: ssl_bench.api.{name}\n"
    yield "::: ssl_bench.report.frozen.FrozenEncoder\n"
    yield "## For plugin authors\n"
    yield "[Hooks](../hooks.md) documents every field of a descriptor.\n"
    for name in ("Method", "Fusion", "Evaluator"):
        yield f"::: ssl_bench.plugin.contracts.{name}\n"


def cell(text: object) -> str:
    """Text that is safe in a cell of a table."""
    return " ".join(str(text or "").split()).replace("|", "\\|").replace("<", "&lt;")
