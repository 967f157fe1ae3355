"""The subcommands of `exvivo`, each a module with a function that adds it to the parser."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from exvivo.commands import (
    archive,
    check,
    compare,
    diff,
    doctor,
    export,
    night,
    reference,
    release,
    scan,
    simulate,
)

# In the order of `exvivo --help`.
COMMANDS: tuple[Callable[[Any], None], ...] = (
    scan.add,
    check.add,
    night.add,
    doctor.add,
    archive.add,
    compare.add,
    reference.add,
    release.add,
    release.add_verify,
    release.add_revise,
    release.add_network,
    diff.add,
    export.add,
    simulate.add,
)
