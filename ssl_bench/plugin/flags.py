"""Options of a component that commands take as flags of their own, beside ``--set``. Nothing heavy is imported."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Flag:
    """An option of a method, fusion or dataset as a flag: ``ehr_root`` is ``--ehr-root``.

    Components may share a flag, such as ``--views``: its value goes to the component that a run uses. A flag that a
    command has of its own, such as ``--root``, stays the command's.

    Args:
        option: the field of the component's options model; lower case, words joined by underscores.
        help: one line for ``--help``.
        path: the value is a file or folder: a relative path counts from where the command is started.
        panel: of a long help; empty: that of the kind of component.
    """

    option: str
    help: str
    path: bool = False
    panel: str = ""

    @property
    def name(self) -> str:
        """As a user types it."""
        return f"--{self.option.replace('_', '-')}"
