"""YAML in which no key is there twice: its specification forbids that, and the parser would take the last one."""

from __future__ import annotations

from typing import Any

import yaml


class UniqueKeys(yaml.SafeLoader):
    """The safe loader, for tables whose keys are all different."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """A table.

        Raises:
            ConstructorError: a key is there twice.
        """
        found: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.tag != "tag:yaml.org,2002:merge":
                if key.value in found:
                    told = f"key '{key.value}' is there twice; keep one of them"
                    raise yaml.constructor.ConstructorError(None, None, told, key.start_mark)
                found.add(key.value)
        return super().construct_mapping(node, deep)


def load_yaml(text: str) -> Any:
    """The value of a YAML text.

    Raises:
        yaml.YAMLError: it is no YAML, or a key of a table is there twice.
    """
    try:
        return yaml.load(text, UniqueKeys)  # which is the safe loader
    except RecursionError:
        raise yaml.YAMLError("it is nested too deeply") from None
    except (ValueError, OverflowError) as error:  # of dates and numbers that are none
        raise yaml.YAMLError(str(error)) from None
