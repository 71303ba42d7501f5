"""What several of the gateway's commands take."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click


def config_option(said: str) -> Callable[[Any], Any]:
    """Return the option that names the configuration file. said: of it, in the help."""
    return click.option(
        "--config",
        "-c",
        "config_path",
        type=click.Path(dir_okay=False, path_type=Path),
        default=Path("gateway.toml"),
        show_default=True,
        help=said,
    )


CONFIG = config_option("The gateway's configuration file.")
