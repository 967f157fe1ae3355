"""Projection as a process: imports, memory, a killed run, and the scan that comes after."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import tifffile

from exvivo.files import write_json
from exvivo.plates import get_instrument, read_fingerprint
from exvivo.plates.admission import admit_plate
from exvivo.plates.scan import scan_plate
from exvivo.projection import project_plate
from plates_made import make_imagexpress
from projection_made import MadePlate, done_of, noise


def test_a_real_scan_sees_what_changes_in_place_after_projection(tmp_path):
    """Scan, admission and projection together, with a file changed and a broken one mended in place."""
    raw, out = make_imagexpress(tmp_path / "raw", wells=("B02", "B03", "C02")), tmp_path / "out"
    instrument = get_instrument("imagexpress")
    good, bad = (
        raw / "TimePoint_1/ZStep_2/P_B03_s2_w1.TIF",
        raw / "TimePoint_1/ZStep_2/P_C02_s1_w1.TIF",
    )
    written = bad.read_bytes()
    # Pixels whole and directory sound, so that admission lets it through: all zeros.
    bad.write_bytes(zero_pixels(written))

    def scan() -> dict[str, int]:
        scan_plate("P1", raw, instrument, out, full=True, settle_minutes=0)
        files = read_fingerprint(out / "fingerprint.tsv")
        return {raw / file.path: file.revision for file in files if file.revision}

    def project() -> dict:
        admission = admit_plate(out / "fingerprint.tsv", raw, instrument, {})
        assert admission.verdict == "admitted"
        write_json(out / "admission.json", admission.to_json())
        arguments = MadePlate(tmp_path / "unused").arguments(damaged_wells_limit=0.5)
        arguments |= {"folder": raw, "hashes": out / "hashes.tsv"}
        arguments |= {name: out / f"{name}.zarr" for name in ("images", "wells")}
        arguments |= {
            n: out / p
            for n, p in (("fingerprint", "fingerprint.tsv"), ("admission", "admission.json"))
        }
        project_plate(**arguments)
        return done_of(arguments)[0]["damaged"]

    assert scan() == {}
    assert list(project()) == ["C02"]
    for path, content in ((good, zero_pixels(good.read_bytes(), 9)), (bad, written)):
        path.write_bytes(content)
        os.utime(path, (1e9, 1e9 + len(content)))
    os.utime(raw / "TimePoint_1/ZStep_1/P_B02_s1_w1.TIF", (1e9, 1e9))  # touched only
    assert scan() == {good: 1, bad: 1}
    assert project() == {}


def zero_pixels(content: bytes, value: int = 0) -> bytes:
    with tifffile.TiffFile(io.BytesIO(content)) as file:
        start, count = file.pages[0].dataoffsets[0], file.pages[0].databytecounts[0]
    return content[:start] + bytes([value]) * count + content[start + count :]


def start_python(code: str, *arguments: str) -> subprocess.Popen:
    scripts = Path(__file__).resolve().parents[2] / "scripts"
    setup = f"import sys; sys.path.insert(0, {str(scripts)!r})\n"
    command = [sys.executable, "-c", setup + code, *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def run_python(code: str, *arguments: str) -> str:
    process = start_python(code, *arguments)
    output = process.communicate()[0]
    assert process.returncode == 0
    return output


def test_importing_it_is_light():
    code = "import exvivo.projection; print(*(m for m in sys.argv[1:] if m in sys.modules))"
    assert run_python(code, "torch", "pandas", "zarr", "tifffile", "pyarrow", "scipy").split() == []


def test_a_killed_run_leaves_nothing_that_looks_finished(tmp_path):
    """SIGKILL while stores are being written; the next run gives what an unbroken one gives."""
    made = MadePlate(tmp_path)
    for number in range(12):
        made.add_stack(f"B{number + 1:02d}", noise((6, 700, 700), seed=number))
    arguments = made.arguments(threads=1)
    code = "import json\nfrom exvivo.projection import project_plate\n"
    code += "project_plate(**json.loads(sys.argv[1]))"
    process = start_python(code, json.dumps(arguments, default=str))
    partial = f".images.zarr.*-{process.pid}.partial/B/02"
    while not list(arguments["images"].parent.glob(partial)) and process.poll() is None:
        time.sleep(0.002)
    process.kill()
    assert process.wait() == -9
    assert not arguments["images"].exists()
    assert not list((tmp_path / "out").glob("*.done.json"))
    project_plate(**arguments)
    again = done_of(arguments)
    shutil.rmtree(tmp_path / "out")
    project_plate(**arguments)
    assert done_of(arguments) == again


def test_memory_does_not_grow_with_wells(tmp_path):
    """Peak memory of 40 wells is that of 8, within a tenth of what their stacks would take."""
    code = """
import json
from pathlib import Path
from exvivo.projection import project_plate
arguments = json.loads(sys.argv[1])
project_plate(**arguments)
# Not ru_maxrss: a child inherits its parent's.
print(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])
"""
    peaks = []
    for count in (8, 40):
        made = MadePlate(tmp_path / str(count))
        for number in range(count):
            made.add_stack(f"B{number + 1:02d}", noise((4, 600, 600), seed=number))
        arguments = made.arguments(input_size=64)
        peaks.append(int(run_python(code, json.dumps(arguments, default=str))))
    assert max(peaks) < 600_000
    stacks_kb = 32 * 4 * 600 * 600 * 2 // 1024
    assert peaks[1] - peaks[0] < stacks_kb / 10
