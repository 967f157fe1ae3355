"""The scan: has a plate changed? Writes its fingerprint, on which all image rules depend (DESIGN.md, section 4).

A quick scan asks each folder of the plate for its time and lists only those whose time changed; a full scan
looks at every file, and so also sees files that were changed in place. Neither opens an image, with one
exception: a file whose time changed and whose size did not is hashed and compared with the hash that the
projection took while reading it; only a real difference raises the file's revision.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from exvivo.errors import ExvivoError, PrivacyError, StoreError
from exvivo.files import write_text
from exvivo.plates.base import (
    IMAGE_NAME,
    Fingerprint,
    Instrument,
    Listing,
    Reason,
    load_fingerprint,
    sorted_files,
)
from exvivo.plates.cache import ScanCache, cache_key, quick_walk, unchanged
from exvivo.plates.revisions import Revisions, projected
from exvivo.plates.tree import Tree, at_rest, walk
from exvivo.privacy import scrub

FINGERPRINT = "fingerprint.tsv"
PERSONAL = "personal_data"  # code of the reason that refuses a plate for a name

log = logging.getLogger(__name__)


def scan_plate(
    plate: str,
    folder: Path | str,
    instrument: Instrument,
    out: Path | str,
    *,
    full: bool = False,
    settle_minutes: float = 30,
    now: float | None = None,
) -> bool:
    """Bring `out/fingerprint.tsv` up to date; return whether it was written.

    `plate` is its id, for messages; `folder` the raw plate; `out` its results, `results/plates/{plate}`.
    With `full` every file is looked at, else only folders whose time changed. A plate is settled when
    nothing in it has changed for `settle_minutes` (0: at once) before `now`, in seconds since 1970 (None: the
    present).

    If the folder is missing, the fingerprint has no rows and says so: a bad plate never stops the others.
    If it vanished after the plate was projected (archived), the fingerprint stays as it is.

    Raises `OSError` if `out` cannot be written.

    """
    folder, out = Path(folder), Path(out)
    now_ns = int((time.time() if now is None else now) * 1e9)
    key = cache_key(folder, instrument.signature)
    cache = ScanCache.head(out, key)
    quiet = cache is not None and cache.settled and (out / FINGERPRINT).is_file()
    if quiet and not full and unchanged(folder, cache):
        return False
    old = _old_fingerprint(out)
    cache = cache or ScanCache(key)
    cache.load_files(out)
    tree, listing = _list(folder, instrument, cache if quiet and not full else None)
    personal = any(problem.code == PERSONAL for problem in listing.problems)
    if _vanished(tree) and not personal and old is not None and old.files and projected(out):
        _keep(plate, cache, out, "raw files are no longer there; what was made of them stays valid")
        return False
    new = _fingerprint(listing, tree, Revisions(folder, out, old, cache))
    new.settled = _settled(old, new, tree, now_ns, settle_minutes)
    if not new.settled and _only_lost(old, new) and projected(out):
        _keep(plate, cache, out, "raw files are being removed; waiting until the folder is at rest")
        return False
    text = new.text()
    changed = old is None or _read(out / FINGERPRINT) != text
    if changed:
        write_text(out / FINGERPRINT, text)
        log.info("plate %s: %d raw images, settled: %s", plate, len(new.files), new.settled)
    cache.settled = new.settled
    cache.note = "; ".join(problem.found for problem in new.problems)
    if tree is not None:
        cache.remember(tree, now_ns)
    elif personal:
        cache.folders = {}  # nothing of it is remembered: the next scan looks again
    cache.save(out)
    return changed


def scan_plates(
    plates: Iterable[tuple[str, Path, Instrument, Path]],
    *,
    full: bool = False,
    settle_minutes: float = 30,
    threads: int = 8,
) -> list[str]:
    """Scan many plates at once, each given as `scan_plate`'s plate, folder, instrument, out.

    Returns the ids of the plates whose fingerprint was written. A plate whose scan fails is logged, and the
    others go on.
    """

    def scan(job: tuple[str, Path, Instrument, Path]) -> bool:
        try:
            return scan_plate(*job, full=full, settle_minutes=settle_minutes)
        except (OSError, ExvivoError) as error:
            log.error("plate %s: the scan failed: %s", job[0], scrub(str(error)))
            return False

    jobs = list(plates)
    with ThreadPoolExecutor(threads) as pool:
        written = list(pool.map(scan, jobs))
    return [job[0] for job, changed in zip(jobs, written, strict=True) if changed]


def refuse_plate(error: PrivacyError, out: Path | str) -> bool:
    """Write the fingerprint of a plate that may not be looked at; return whether it has changed."""
    text = Fingerprint(settled=True, problems=[Reason.of(PERSONAL, "refused", error)]).text()
    path = Path(out) / FINGERPRINT
    if path.is_file() and _read(path) == text:
        return False
    write_text(path, text)
    return True


def _list(
    folder: Path, instrument: Instrument, cache: ScanCache | None
) -> tuple[Tree | None, Listing]:
    """List the plate; what makes this impossible becomes a problem of the listing."""
    tree = None
    try:
        tree = quick_walk(folder, cache) if cache and cache.listings else walk(folder)
        listing = instrument.list_tree(tree)
    except PrivacyError as error:
        return None, Listing(problems=[Reason.of(PERSONAL, "refused", error)])
    except ExvivoError as error:
        code = "folder_not_found" if tree is None else "index_damaged"
        return tree, Listing(problems=[Reason.of(code, "refused", error)])
    return tree, listing


def _fingerprint(listing: Listing, tree: Tree | None, revisions: Revisions) -> Fingerprint:
    stats = {} if tree is None else tree.stats()
    return Fingerprint(
        files=sorted_files(revisions.apply(listing.files, stats)),
        indexes=sorted(revisions.apply_indexes(listing.indexes, stats)),
        unrecognised=sorted(listing.unrecognised),
        unrecognised_count=len(listing.unrecognised),
        problems=listing.problems,
    )


def _settled(
    old: Fingerprint | None, new: Fingerprint, tree: Tree | None, now_ns: int, minutes: float
) -> bool:
    """Whether nothing has changed for `minutes`. Once so, only a real change undoes it: a touch does not."""
    if minutes <= 0 or tree is None:
        return True
    if old is not None and old.settled and (old.files, old.indexes) == (new.files, new.indexes):
        return True
    return at_rest(tree, now_ns, minutes)


def _vanished(tree: Tree | None) -> bool:
    return tree is None or not any(IMAGE_NAME.search(name) for _, name, _ in tree.files())


def _only_lost(old: Fingerprint | None, new: Fingerprint) -> bool:
    """Whether the plate is as it was but for files that are missing now."""
    return old is not None and len(new.files) < len(old.files) and set(new.files) <= set(old.files)


def _keep(plate: str, cache: ScanCache, out: Path, note: str) -> None:
    if cache.note != note:
        log.info("plate %s: %s", plate, note)
    cache.note, cache.settled, cache.folders = note, False, {}
    cache.save_head(out)


def _old_fingerprint(out: Path) -> Fingerprint | None:
    if not (out / FINGERPRINT).is_file():
        return None
    try:
        return load_fingerprint(out / FINGERPRINT)
    except StoreError as error:
        log.warning("%s", error)
        return None


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8")
