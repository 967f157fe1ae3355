"""Real plates looked at with the default settings: healthy wells of other imaging than one spheroid are left alone."""

from __future__ import annotations

import pytest
from test_projection_real import BBBC013, project

from exvivo.inspection.flags import excluded_wells
from exvivo.inspection.plate import inspect_plate
from exvivo.sheets import load_config
from exvivo.tables import EXPOSURE, read_table


def look(out):
    exposure = read_table(out / "exposure.parquet", EXPOSURE)
    return inspect_plate(out / "wells.zarr", exposure, load_config({})["image_quality"])


@pytest.mark.parametrize("channel", ["Channel1", "Channel2"])
def test_no_healthy_well_of_bbbc013_is_excluded(real_data, tmp_path, channel):
    """Cells all over the field, 8 bits, GFP and DNA; wortmannin moves the GFP and kills nothing."""
    folder = real_data / "plates" / "bbbc013_rows_A-D"
    project(folder, tmp_path, "pattern", pattern=BBBC013, channel=channel)
    metrics, flags = look(tmp_path)
    assert len(metrics) == 48
    assert excluded_wells(flags) == {}, flags[["well", "check", "value"]].to_string()


def test_two_wells_of_a_z_stack_are_too_few_to_compare(real_data, tmp_path):
    folder = real_data / "plates" / "imagexpress_3433_zstack"
    project(folder, tmp_path, "imagexpress")
    metrics, flags = look(tmp_path)
    assert metrics["well"].tolist() == ["B02", "B03"]
    assert flags.empty, flags.to_string()
