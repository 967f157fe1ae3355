"""All checks of the doctor, in order."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from exvivo.doctor import inputs, machine, needs, scheduler
from exvivo.doctor.findings import ERROR, Finding
from exvivo.errors import ExvivoError, SheetError
from exvivo.night.snake import REPOSITORY, profile_folder
from exvivo.release.folder import frozen_screens
from exvivo.sheets import Sheets, read_sheets


def examine(config: dict[str, Any], profile: str, hours: float) -> list[Finding]:
    """Look at everything that a night with this profile needs; nothing is written."""
    settings = scheduler.read_profile(profile_folder(profile))
    findings = []
    if not settings:
        remedy = "name a profile with --profile"
        findings.append(
            Finding("profile", ERROR, f"there is no {profile}/config.yaml", remedy=remedy)
        )
    findings += machine.check_versions(
        REPOSITORY / "constraints.txt", slurm=settings.get("executor") == "slurm"
    )
    findings += needs.check_rights(config)
    findings += machine.check_time_service()
    cluster, gpus = scheduler.check_scheduler(settings)
    findings += cluster
    sheets, problems = _sheets(config)
    findings += problems
    if sheets is not None:
        findings += inputs.check_sheets(config, sheets)
        findings += inputs.check_weights(config, sheets)
        findings += inputs.check_new(config, sheets)
        findings += inputs.check_raw(config, sheets)
        waiting = inputs.waiting_plates(config, sheets)
        findings += inputs.check_images(waiting)
        findings += needs.check_space(config, waiting)
        findings += needs.check_gpu_time(sheets, gpus, hours)
    return findings


def _sheets(config: dict[str, Any]) -> tuple[Sheets | None, list[Finding]]:
    try:
        return (
            read_sheets(config, Path.cwd(), layouts_must_exist=False, frozen=frozen_screens()),
            [],
        )
    except SheetError as error:
        remedy = "mend it: until then nothing runs"
        return None, [
            Finding("sheets", ERROR, str(problem), remedy=remedy) for problem in error.problems
        ]
    except ExvivoError as error:
        return None, [Finding.of("sheets", ERROR, error)]
