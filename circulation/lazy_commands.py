"""A command group that imports a command's module when somebody asks for the command.

A program of many commands starts as fast as the one that is meant. `--help` imports all of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import click


class LazyGroup(click.Group):
    """A group of commands that are there, and of others that are found when needed."""

    def __init__(self, *args: Any, lazy: Mapping[str, str] | None = None, **kwargs: Any) -> None:
        """lazy: a command's name to where it is, as "module:attribute". The rest is click's."""
        super().__init__(*args, **kwargs)
        self._lazy = dict(lazy or {})

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return every name, sorted, without an import."""
        return sorted({*super().list_commands(ctx), *self._lazy})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command, None if nobody knows it; imports the module that has it."""
        if cmd_name in self._lazy:
            self._find(cmd_name)
        return super().get_command(ctx, cmd_name)

    def _find(self, name: str) -> None:
        module, _, attribute = self._lazy[name].partition(":")
        self.add_command(getattr(import_module(module), attribute))
