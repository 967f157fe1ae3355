"""One plate: from its fingerprint and admission to stores, readout and checksums."""

from __future__ import annotations

import hashlib
import logging
import math
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from exvivo import __version__
from exvivo.checksums import FileHash, write_hashes
from exvivo.errors import ConfigError
from exvivo.files import read_json, replacing, write_json
from exvivo.omezarr import Histogram, PlateWriter
from exvivo.plates.admission import Admission
from exvivo.plates.base import read_fingerprint, well_key
from exvivo.projection.fields import FieldResult, FieldWorker, run_wells
from exvivo.projection.plan import Plan, find_format, plan_plate
from exvivo.projection.planes import PlaneFormat
from exvivo.wells.store import CHANNELS, WellsWriter, done_path

ADMITTED, REFUSED = "admitted", "refused"
DAMAGED, NOT_IMAGED = "damaged", "not_imaged"
UNKNOWN_FORMAT = PlaneFormat((0, 0), np.dtype(np.uint16))  # of a plate without a readable image

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Outcome:
    """What became of a plate: `verdict` and `reason`, and what was collected of its wells on the way."""

    verdict: str
    reason: str = ""
    damaged: dict[str, str] = field(default_factory=dict)
    not_imaged: list[str] = field(default_factory=list)
    hashes: list[FileHash] = field(default_factory=list)
    means: dict[str, float] = field(default_factory=dict)
    flags: dict[str, str] = field(default_factory=dict)
    ceilings: dict[str, list[float]] = field(default_factory=dict)
    fields: dict[str, list[int]] = field(default_factory=dict)
    digests: dict[str, str] = field(default_factory=dict)


class _Refused(Exception):
    """Too many wells are damaged, or none is left; the text says which."""


def project_plate(
    *,
    folder: Path | str,
    fingerprint: Path | str,
    admission: Path | str,
    plate: str,
    channel: str,
    input_size: int,
    images: Path | str,
    wells: Path | str,
    readout: Path | str,
    exposure: Path | str,
    hashes: Path | str,
    threads: int = 1,
    damaged_wells_limit: float = 0.05,
) -> None:
    """Project one channel of a plate in one pass over its raw files; the done files are written last.

    Args:
        folder: raw plate; paths of the fingerprint are relative to it.
        fingerprint: the plate's raw files, as the scan wrote them.
        admission: which of its wells may be used, as the admission wrote it.
        plate: id of the plate.
        channel: the channel's number or name, as `exvivo.projection.plan.choose_channel` takes it.
        input_size: side S of the network's input in pixels.
        images: OME-Zarr store, MIP and MID of each field in the raw dtype; `*.done.json` beside it.
        wells: store of float32 (n, 2, S, S), raw scale (`exvivo.wells`); `*.done.json` beside it.
        readout: Parquet of the mean of stack, `exvivo.tables.READOUT`, one row per well.
        exposure: Parquet of the saturated pixels, `exvivo.tables.EXPOSURE`, one row per field.
        hashes: TSV of the checksums of all raw files read (`exvivo.checksums`).
        threads: fields projected at the same time; memory is about 6 bytes per pixel and thread, 15 for compressed files.
        damaged_wells_limit: fraction of the plate's wells that may be damaged.

    A plane that cannot be decoded makes its well damaged, by name and with the reason; beyond the limit the
    plate is refused. A plate that is refused or arriving gets finished stores without wells. Raises
    `PlateError` for a channel that the plate does not have, `ConfigError` for settings out of range.

    """
    _check_settings(input_size, threads, damaged_wells_limit)
    images, wells = Path(images), Path(wells)
    for store in (images, wells):
        done_path(store).unlink(missing_ok=True)
    admitted = Admission.from_json(read_json(admission))
    settings = {"channel": channel, "input_size": input_size}
    job = _Job(Path(folder), plate, input_size, threads, damaged_wells_limit, images, wells)
    if admitted.verdict == ADMITTED:
        plan = plan_plate(read_fingerprint(fingerprint), admitted, channel)
        settings["channel"] = plan.channel
        outcome = job.run(plan, admitted)
    else:
        reasons = "; ".join(reason.code for reason in admitted.reasons)
        outcome = Outcome(admitted.verdict, reasons)
        job.write_empty(outcome)
    log.info(
        "%s: %s, %d wells, %d damaged",
        plate,
        outcome.verdict,
        len(outcome.fields),
        len(outcome.damaged),
    )
    write_hashes(hashes, outcome.hashes)
    _write_readout(readout, plate, outcome)
    _write_exposure(exposure, plate, outcome)
    for store, name in ((images, "images"), (wells, "wells")):
        write_json(done_path(store), _done(outcome, plate, outcome.digests[name], settings))


@dataclass(slots=True)
class _Job:
    """Where to read and write one plate."""

    folder: Path
    plate: str
    size: int
    threads: int
    limit: float
    images: Path
    wells: Path

    def run(self, plan: Plan, admitted: Admission) -> Outcome:
        """Project the wells of `plan`; write both stores, empty ones if too many wells are damaged."""
        outcome = Outcome(ADMITTED, damaged=dict(plan.damaged), not_imaged=plan.not_imaged)
        try:
            self._project(plan, admitted, outcome)
        except _Refused as refusal:
            log.error("%s: refused: %s", self.plate, refusal)
            outcome = Outcome(
                REFUSED, str(refusal), outcome.damaged, outcome.not_imaged, outcome.hashes
            )
            self.write_empty(outcome)
        return outcome

    def _project(self, plan: Plan, admitted: Admission, outcome: Outcome) -> None:
        channel = admitted.channels[plan.channel]
        form = find_format(self.folder, plan, channel) or UNKNOWN_FORMAT
        largest = int(np.iinfo(form.dtype).max)
        histogram = Histogram(len(CHANNELS), largest)
        pixel = channel.pixel_size_um or admitted.pixel_size_um
        with ExitStack() as stack:
            partial = stack.enter_context(replacing(self.images))
            writer = PlateWriter(partial, self.plate, CHANNELS, pixel)
            store = WellsWriter(
                stack.enter_context(replacing(self.wells)),
                self.plate, self.size, largest, len(plan.tasks),
            )  # fmt: skip
            worker = FieldWorker(self.folder, writer, histogram, self.size, form)
            digest = hashlib.sha256()
            own = ["repeated_planes"] if channel.repeated_planes else []
            # Closed before the stores are removed on an error: no thread still writes into them then.
            fields = stack.enter_context(closing(run_wells(worker, plan.tasks, self.threads)))
            for well, results in fields:
                for result in results:
                    outcome.hashes += result.hashes
                if faults := [result.fault for result in results if result.fault]:
                    log.warning("%s %s: damaged: %s", self.plate, well, "; ".join(faults))
                    outcome.damaged[well] = "; ".join(faults)
                    writer.discard(well)
                else:
                    flags = admitted.wells[well].flags + own
                    _collect(outcome, store, digest, well, results, flags)
            self._check(outcome, len(admitted.wells))
            writer.finish(outcome.fields, histogram.windows())
            outcome.digests = {"images": digest.hexdigest(), "wells": store.close()}

    def _check(self, outcome: Outcome, wells: int) -> None:
        damaged = len(outcome.damaged)
        if damaged > self.limit * wells:
            raise _Refused(f"{damaged} of {wells} wells are damaged, {self.limit:.0%} are allowed")
        if not outcome.fields:
            raise _Refused(f"none of {wells} wells is left: {damaged} are damaged")

    def write_empty(self, outcome: Outcome) -> None:
        """Write both stores without a well."""
        with replacing(self.images) as partial:
            PlateWriter(partial, self.plate, CHANNELS).finish({}, [])
        with replacing(self.wells) as partial:
            digest = WellsWriter(partial, self.plate, self.size, 0, 0).close()
        outcome.digests = {"images": hashlib.sha256().hexdigest(), "wells": digest}


def _check_settings(size: int, threads: int, limit: float) -> None:
    for name, value, good, expected in (
        ("imaging: input_size", size, 1 <= size <= 8192, "1 to 8192 pixels"),
        ("threads", threads, threads >= 1, "at least 1"),
        ("admission: damaged_wells_limit", limit, 0 <= limit <= 1, "a fraction from 0 to 1"),
    ):
        if not good:
            raise ConfigError(
                "this setting is out of range", expected=expected, found=str(value), where=name
            )


def _collect(
    outcome: Outcome,
    store: WellsWriter,
    digest: Any,
    well: str,
    results: list[FieldResult],
    flags: list[str],
) -> None:
    """Take up the fields of a well that is as it should be."""
    own = [flag for result in results for flag in result.flags]
    outcome.flags[well] = ";".join(dict.fromkeys([*flags, *own]))
    outcome.means[well] = math.fsum(result.mean for result in results) / len(results)
    outcome.ceilings[well] = [result.ceiling for result in results]
    outcome.fields[well] = [result.task.field for result in results]
    for result in results:
        joined = ";".join(dict.fromkeys([*flags, *result.flags]))
        store.append(well, result.task.field, result.image, joined)
        digest.update(f"{well} {result.task.field} {result.digest}\n".encode())


def _write_readout(path: Path | str, plate: str, outcome: Outcome) -> None:
    """One row per well; one that could not be measured has no value but a flag. None of a plate on hold."""
    import pandas as pd  # here, because it takes longer to import than everything else

    from exvivo.tables import READOUT, write_table

    flags = dict.fromkeys(outcome.damaged, DAMAGED) | dict.fromkeys(outcome.not_imaged, NOT_IMAGED)
    flags = flags | outcome.flags if outcome.verdict == ADMITTED else {}
    names = sorted(flags, key=well_key)
    frame = pd.DataFrame(
        {
            "plate": [plate] * len(names),
            "well": names,
            "value": np.array([outcome.means.get(name, math.nan) for name in names], np.float64),
            "flag": [flags[name] for name in names],
        }
    )
    write_table(frame, path, READOUT)


def _write_exposure(path: Path | str, plate: str, outcome: Outcome) -> None:
    import pandas as pd

    from exvivo.tables import EXPOSURE, write_table

    rows = [
        (plate, well, fov, ceiling)
        for well, fields in outcome.fields.items()
        for fov, ceiling in zip(fields, outcome.ceilings[well], strict=True)
    ]
    frame = pd.DataFrame(rows, columns=EXPOSURE.names)
    write_table(frame.astype({"field": "int64", "ceiling": "float64"}), path, EXPOSURE)


def _done(outcome: Outcome, plate: str, digest: str, settings: dict[str, Any]) -> dict[str, Any]:
    import tifffile
    import zarr

    return {
        "verdict": outcome.verdict,
        "reason": outcome.reason,
        "plate": plate,
        "digest": digest,
        "wells": len(outcome.fields),
        "images": sum(len(fields) for fields in outcome.fields.values()),
        "not_imaged": outcome.not_imaged,
        "damaged": {name: outcome.damaged[name] for name in sorted(outcome.damaged, key=well_key)},
        "settings": settings,
        "versions": {
            "exvivo": __version__,
            "numpy": np.__version__,
            "tifffile": tifffile.__version__,
            "zarr": zarr.__version__,
        },
    }
