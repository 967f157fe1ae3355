"""A whole plate through projection: what is written, what is left out, what is refused."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import tifffile
import zarr
from ome_zarr_models.v05.hcs import HCS

from exvivo.checksums import checksum_file, read_hashes
from exvivo.errors import ConfigError, PlateError
from exvivo.files import write_json
from exvivo.plates import get_instrument, read_fingerprint
from exvivo.plates.admission import admit_plate
from exvivo.plates.base import Reason
from exvivo.plates.patterns import Channel
from exvivo.plates.scan import scan_plate
from exvivo.projection import project_plate
from exvivo.tables import READOUT, read_table
from exvivo.wells import area_average, read_wells
from plates_made import make_imagexpress
from projection_made import MadePlate, noise

WELLS = ("B02", "B03", "B10", "C02", "AA01")


@pytest.fixture
def plate(tmp_path) -> MadePlate:
    """Five wells with two fields of three planes, 20 × 24 pixels."""
    made = MadePlate(tmp_path)
    for number, well in enumerate(reversed(WELLS)):
        for fov in (2, 1):
            made.add_stack(well, noise((3, 20, 24), seed=10 * number + fov), fov=fov)
    return made


def planes_of(plate: MadePlate, well: str, fov: int) -> np.ndarray:
    files = [f for f in plate.files if (f.well, f.field, f.channel) == (well, fov, "1")]
    files.sort(key=lambda file: file.plane)
    return np.stack([tifffile.imread(plate.raw / file.path) for file in files])


def done_of(arguments: dict) -> tuple[dict, dict]:
    return tuple(
        json.loads(arguments[store].with_suffix(".done.json").read_text())
        for store in ("images", "wells")
    )


def readout_of(arguments: dict) -> dict[str, tuple[float, str]]:
    table = read_table(arguments["readout"], READOUT)
    assert (table["plate"] == "P1").all()
    return {row.well: (row.value, row.flag) for row in table.itertuples()}


def damage(plate: MadePlate, well: str) -> str:
    """Break the last plane of a well behind its header; return its path."""
    file = [file for file in plate.files if file.well == well][-1]
    path = plate.raw / file.path
    path.write_bytes(b"\xff" * path.stat().st_size)
    return file.path


def test_everything_by_its_definition(plate):
    arguments = plate.arguments()
    project_plate(**arguments)
    content = read_wells(arguments["wells"])
    assert content.wells == [well for well in WELLS for _ in (1, 2)]
    assert content.fields == [1, 2] * len(WELLS)
    assert (content.plate, content.max_value, set(content.flags)) == ("P1", 65535.0, {""})
    images = zarr.open_group(arguments["images"], mode="r")
    readout = readout_of(arguments)
    for number, (well, fov) in enumerate(zip(content.wells, content.fields, strict=True)):
        planes = planes_of(plate, well, fov)
        pair = np.stack([planes.max(axis=0), planes[1]])
        row, column = well.rstrip("0123456789"), well.lstrip("ABCDEFGH")
        assert np.array_equal(images[f"{row}/{column}/{fov}/0"][:], pair)
        for channel in (0, 1):
            square = np.ascontiguousarray(pair[channel][:, 2:22])
            assert np.array_equal(content.images[number, channel], area_average(square, 8))
    for well in WELLS:
        fields = [planes_of(plate, well, fov).astype(float).mean() for fov in (1, 2)]
        assert readout[well] == (pytest.approx(np.mean(fields), rel=1e-14), "")
    assert HCS.from_zarr(images).n_wells == len(WELLS)


def test_the_done_files_say_what_was_done(plate):
    arguments = plate.arguments()
    project_plate(**arguments)
    images, wells = done_of(arguments)
    for done in (images, wells):
        assert done["verdict"] == "admitted"
        assert (done["plate"], done["wells"], done["images"]) == ("P1", 5, 10)
        assert done["damaged"] == {}
        assert done["settings"] == {"channel": "1", "input_size": 8}
        assert len(done["digest"]) == 64
    assert images["digest"] != wells["digest"]


def test_every_file_read_is_in_the_hashes(plate):
    plate.add("B02", 1, "2", 0, noise((20, 24)))
    plate.add("B02", 1, "1", -1, noise((20, 24)))
    arguments = plate.arguments()
    project_plate(**arguments)
    found = read_hashes(arguments["hashes"])
    used = [file for file in plate.files if file.channel == "1" and file.plane >= 0]
    assert found.keys() == {file.path for file in used}
    for file in used:
        assert found[file.path].digest == checksum_file(plate.raw / file.path)
        assert found[file.path].bytes == file.bytes


def test_threads_and_repetition_change_nothing(plate):
    results = []
    for threads in (1, 4, 4):
        arguments = plate.arguments(threads=threads)
        project_plate(**arguments)
        results.append(
            {
                path.relative_to(plate.folder): path.read_bytes()
                for path in sorted((plate.folder / "out").rglob("*"))
                if path.is_file()
            }
        )
    assert results[0] == results[1] == results[2]
    assert not [path for path in results[0] if "partial" in path.name]


def test_other_pixels_have_another_digest(plate):
    arguments = plate.arguments()
    project_plate(**arguments)
    before = done_of(arguments)
    plate.add("B02", 1, "1", 0, noise((20, 24), seed=99))
    plate.files.pop(next(i for i, f in enumerate(plate.files) if f.key == ("B02", 1, "1", 0)))
    project_plate(**plate.arguments())
    after = done_of(arguments)
    assert all(a["digest"] != b["digest"] for a, b in zip(before, after, strict=True))


def test_a_damaged_well_is_left_out_by_name(plate):
    path = damage(plate, "B10")
    arguments = plate.arguments(damaged_wells_limit=0.2)
    project_plate(**arguments)
    for done in done_of(arguments):
        assert done["verdict"] == "admitted"
        assert list(done["damaged"]) == ["B10"]
        assert done["damaged"]["B10"].startswith(path)
        assert (done["wells"], done["images"]) == (4, 8)
    assert "B10" not in read_wells(arguments["wells"]).wells
    images = zarr.open_group(arguments["images"], mode="r")
    assert "10" not in images["B"]
    assert HCS.from_zarr(images).n_wells == 4
    value, flag = readout_of(arguments)["B10"]
    assert np.isnan(value)
    assert flag == "damaged"
    # The scan must notice when just this file is mended in place.
    assert read_hashes(arguments["hashes"])[path].digest == checksum_file(plate.raw / path)


@pytest.mark.parametrize("fault", ["gone", "longer", "zeros", "another size"])
def test_kinds_of_damage(plate, fault):
    path = plate.raw / next(file.path for file in plate.files if file.well == "C02")
    if fault == "gone":
        path.unlink()
    elif fault == "longer":
        path.write_bytes(path.read_bytes() + b"\0")
    elif fault == "zeros":
        path.write_bytes(bytes(path.stat().st_size))
    else:
        plate.files = [file for file in plate.files if plate.raw / file.path != path]
        plate.add("C02", 2, "1", 0, noise((24, 20)))
    arguments = plate.arguments(damaged_wells_limit=0.2)
    project_plate(**arguments)
    assert list(done_of(arguments)[1]["damaged"]) == ["C02"]
    assert path.relative_to(plate.raw).as_posix() in read_hashes(arguments["hashes"])


def test_too_many_damaged_wells_refuse_the_plate(plate):
    damage(plate, "B10")
    damage(plate, "C02")
    arguments = plate.arguments(damaged_wells_limit=0.2)
    project_plate(**arguments)
    for done in done_of(arguments):
        assert done["verdict"] == "refused"
        assert done["reason"] == "2 of 5 wells are damaged, 20% are allowed"
        assert list(done["damaged"]) == ["B10", "C02"]
        assert (done["wells"], done["images"]) == (0, 0)
    assert read_wells(arguments["wells"]).images.shape == (0, 2, 8, 8)
    assert HCS.from_zarr(zarr.open_group(arguments["images"], mode="r")).n_wells == 0
    assert readout_of(arguments) == {}
    assert len(read_hashes(arguments["hashes"])) > 0


def test_wells_that_admission_left_out_count_and_stay_out(plate):
    entry = plate.admission.wells["B03"]
    entry.verdict, entry.flags, entry.details = (
        "damaged",
        ["duplicate"],
        ["two planes are the same"],
    )
    arguments = plate.arguments(damaged_wells_limit=0.2)
    project_plate(**arguments)
    assert done_of(arguments)[0]["damaged"] == {"B03": "two planes are the same"}
    assert "B03" not in read_wells(arguments["wells"]).wells
    assert not any("B03" in path for path in read_hashes(arguments["hashes"]))
    damage(plate, "B10")
    project_plate(**plate.arguments(damaged_wells_limit=0.2))
    assert done_of(arguments)[0]["verdict"] == "refused"


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


@pytest.mark.parametrize("verdict", ["refused", "arriving"])
def test_a_plate_on_hold_gets_finished_empty_stores(plate, verdict):
    plate.admission.verdict = verdict
    plate.admission.reasons = [Reason("still_arriving", verdict, found="3 of 5 wells")]
    arguments = plate.arguments()
    project_plate(**arguments)
    for done in done_of(arguments):
        assert (done["verdict"], done["wells"], done["damaged"]) == (verdict, 0, {})
        assert "still_arriving" in done["reason"]
    assert read_wells(arguments["wells"]).wells == []
    assert readout_of(arguments) == {}
    assert read_hashes(arguments["hashes"]) == {}
    assert HCS.from_zarr(zarr.open_group(arguments["images"], mode="r")).n_wells == 0


def test_flags_of_admission_and_projection_reach_every_table(plate):
    plate.admission.wells["B02"].flags = ["focus"]
    for well, plane in (("D01", 0), ("D02", -1)):
        for fov in (1, 2):
            plate.add(well, fov, "1", plane, noise((20, 24), seed=fov))
    arguments = plate.arguments(input_size=22)
    project_plate(**arguments)
    content = read_wells(arguments["wells"])
    flags = dict(zip(content.wells, content.flags, strict=True))
    assert flags["B02"] == "focus;upsampled"
    assert flags["D01"] == "single_plane;upsampled"
    assert flags["D02"] == "projection_only;upsampled"
    readout = readout_of(arguments)
    assert {well: flag for well, (_, flag) in readout.items()} == flags
    assert np.isnan(readout["D02"][0])
    expected = np.mean([noise((20, 24), seed=fov).mean() for fov in (1, 2)])
    assert readout["D01"][0] == pytest.approx(expected)
    both = content.images[content.wells.index("D02")]
    assert np.array_equal(both[0], both[1])


def test_a_mean_over_some_fields_only_is_not_made_up(plate):
    """One field with a stack and one with a projection only: the well has no mean of stack."""
    plate.add_stack("D01", noise((3, 20, 24)), fov=1)
    plate.add("D01", 2, "1", -1, noise((20, 24)))
    arguments = plate.arguments()
    project_plate(**arguments)
    value, flag = readout_of(arguments)["D01"]
    assert np.isnan(value)
    assert flag == "projection_only"


@pytest.mark.parametrize("wanted", ["2", "02", "w2", "W2", "DAPI", " dapi "])
def test_the_channel_by_number_or_name(plate, wanted):
    for well in WELLS:
        plate.add(well, 1, "2", 0, noise((20, 24), seed=5))
    plate.admission.channels["2"] = Channel(name="DAPI")
    arguments = plate.arguments(channel=wanted)
    project_plate(**arguments)
    done = done_of(arguments)[1]
    assert (done["images"], done["settings"]["channel"]) == (5, "2")


@pytest.mark.parametrize("wanted", ["3", "GFP", ""])
def test_a_channel_that_is_not_there_lists_those_that_are(plate, wanted):
    plate.add("B02", 1, "2", 0, noise((20, 24)))
    plate.admission.channels |= {"1": Channel(name="DAPI"), "2": Channel(name="Cy5")}
    with pytest.raises(PlateError, match=r"1 \(DAPI\), 2 \(Cy5\)"):
        project_plate(**plate.arguments(channel=wanted))


def test_a_name_of_two_channels_is_refused(plate):
    plate.add("B02", 1, "2", 0, noise((20, 24)))
    plate.admission.channels |= {"1": Channel(name="DAPI"), "2": Channel(name="DAPI")}
    with pytest.raises(PlateError, match="more than one"):
        project_plate(**plate.arguments(channel="DAPI"))


def test_a_well_without_the_channel_is_named(plate):
    plate.add("D01", 1, "2", 0, noise((20, 24)))
    arguments = plate.arguments(damaged_wells_limit=0.2)
    project_plate(**arguments)
    assert done_of(arguments)[0]["damaged"] == {"D01": "was not imaged in channel 1"}


def test_the_pixel_size_reaches_the_images(plate):
    plate.admission.pixel_size_um = 0.325
    arguments = plate.arguments()
    project_plate(**arguments)
    image = zarr.open_group(arguments["images"], mode="r")["AA/01/1"].attrs["ome"]
    scale = image["multiscales"][0]["datasets"][0]["coordinateTransformations"][0]["scale"]
    assert scale == [1.0, 0.325, 0.325]


def test_the_admitted_size_decides_not_the_first_image(plate):
    plate.admission.channels["1"] = Channel(shape=[20, 24], dtype="uint16")
    for number, file in enumerate(plate.files):
        if file.well == "B02":  # the first well of all has another size
            plate.files.pop(number)
            break
    plate.add("B02", 2, "1", 0, noise((24, 20)))
    arguments = plate.arguments(damaged_wells_limit=0.2)
    project_plate(**arguments)
    assert list(done_of(arguments)[0]["damaged"]) == ["B02"]


def test_no_readable_image_at_all(plate):
    for file in plate.files:
        (plate.raw / file.path).unlink()
    arguments = plate.arguments(damaged_wells_limit=1.0)
    project_plate(**arguments)
    done = done_of(arguments)[1]
    assert (done["verdict"], len(done["damaged"])) == ("refused", 5)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"input_size": 0}, "input_size"),
        ({"threads": 0}, "threads"),
        ({"damaged_wells_limit": 5}, "damaged_wells_limit"),
    ],
)
def test_settings_out_of_range(plate, change, words):
    with pytest.raises(ConfigError, match=words):
        project_plate(**plate.arguments(**change))


def test_a_failed_run_leaves_no_done_file_of_an_earlier_one(plate):
    arguments = plate.arguments()
    project_plate(**arguments)
    with pytest.raises(PlateError):
        project_plate(**plate.arguments(channel="9"))
    assert not arguments["images"].with_suffix(".done.json").exists()
    assert not arguments["wells"].with_suffix(".done.json").exists()


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
    partial = arguments["images"].with_name(".images.zarr.partial") / "B" / "02"
    while not partial.exists() and process.poll() is None:
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
import json, resource
from pathlib import Path
from exvivo.projection import project_plate
arguments = json.loads(sys.argv[1])
project_plate(**arguments)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""
    peaks = []
    for count in (8, 40):
        made = MadePlate(tmp_path / str(count))
        for number in range(count):
            made.add_stack(f"B{number + 1:02d}", noise((4, 600, 600), seed=number))
        arguments = made.arguments(input_size=64)
        peaks.append(int(run_python(code, json.dumps(arguments, default=str))))
    stacks_kb = 32 * 4 * 600 * 600 * 2 // 1024
    assert peaks[1] - peaks[0] < stacks_kb / 10
