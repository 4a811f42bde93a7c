"""The table of a stranger's path counts the commands that stand on its page."""

from __future__ import annotations

import pytest

from benchmarks.first_hour import INSTALL, MILESTONES, PAGE, TABLE, Taken, commands, table


def test_a_milestone_has_its_commands_and_the_seconds_of_all_before() -> None:
    taken = {begin: Taken(10.0 * number, 20.0) for number, begin in enumerate(MILESTONES, 1)}
    lines = table(taken, [INSTALL], "a Xeon, 2 cores").splitlines()
    assert lines[2] == "| a table | 1 | 10 | 20 |"
    assert lines[4] == "| an encoder of your own in the same table | 3 | 60 | 60 |"
    assert lines[-1] == (
        "5 commands; seconds of all commands up to there; measured on a Xeon, 2 cores. Not timed: `pip install .`."
    )


def test_a_milestone_without_command_is_told() -> None:
    with pytest.raises(SystemExit, match="no command of the page begins with 'sslbench run --method msn-ehr'"):
        table({INSTALL: Taken(1.0, 1.0)})


def test_the_page_counts_its_own_commands() -> None:
    text = PAGE.read_text(encoding="utf-8")
    found = TABLE.search(text)
    assert found is not None
    counted = table(dict.fromkeys(commands(text), Taken(0.0, 0.0)))
    assert cells(found[0]) == cells(counted)
    assert len(cells(counted)) == 2 + len(MILESTONES)


def cells(text: str) -> list[list[str]]:
    """Result and number of commands of each row, without seconds."""
    return [line.split("|")[1:3] for line in text.splitlines() if line.startswith("|")]
