"""Plate readers' files, in every shape that people send, and the broken ones."""

from __future__ import annotations

import io
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
import xlsxwriter
from hypothesis import given, settings
from hypothesis import strategies as st

from exvivo.errors import ScoringError
from exvivo.readouts import join_flags, read_readouts
from exvivo.readouts import sources as sources_module
from exvivo.readouts.flags import reasons
from exvivo.readouts.reader import read_plate_reader
from exvivo.sheets.names import row_letters, well_name
from exvivo.tables import READOUT, conform, write_table


def values_of(rows: int = 8, columns: int = 12) -> np.ndarray:
    """Numbers that tell their own place, with halves so that the decimal sign matters."""
    return 100.0 * np.arange(rows)[:, None] + np.arange(columns)[None, :] + 0.5


def as_text(
    values: np.ndarray,
    separator: str = "\t",
    decimal: str = ".",
    header: bool = True,
    letters: bool = True,
) -> str:
    lines = []
    if header:
        names = [f"{i + 1:02d}" for i in range(values.shape[1])]
        lines.append(separator.join(["", *names] if letters else names))
    for i, row in enumerate(values):
        cells = ["NA" if np.isnan(v) else f"{v:g}".replace(".", decimal) for v in row]
        lines.append(separator.join([row_letters(i), *cells] if letters else cells))
    return "\n".join(lines) + "\n"


def check(frame, values: np.ndarray, plate: str = "X") -> None:
    """The frame holds exactly these values, each in its well."""
    conform(frame, READOUT, where="test")
    assert set(frame["plate"]) == {plate}
    found = dict(zip(frame["well"], frame["value"], strict=True))
    expected = {well_name(r, c): v for (r, c), v in np.ndenumerate(values)}
    assert found.keys() == expected.keys()
    for well, value in expected.items():
        assert found[well] == value or (np.isnan(value) and np.isnan(found[well])), well


@pytest.mark.parametrize("header", [True, False])
@pytest.mark.parametrize("letters", [True, False])
@pytest.mark.parametrize(
    ("separator", "decimal"),
    [("\t", "."), ("\t", ","), (";", ","), (";", "."), (",", "."), (" ", "."), ("   ", ",")],
)
def test_matrix_in_every_dialect(tmp_path: Path, separator, decimal, header, letters) -> None:
    values = values_of()
    values[2, 3] = np.nan
    path = tmp_path / "BT-40_P1.txt"
    path.write_text(as_text(values, separator, decimal, header, letters))
    check(read_plate_reader(path, "P1", "X"), values)


@pytest.mark.parametrize("shape", [(4, 6), (8, 12), (16, 24), (32, 48)])
def test_matrix_of_every_plate_format(tmp_path: Path, shape) -> None:
    path = tmp_path / "s_1.txt"
    path.write_text(as_text(values_of(*shape)))
    check(read_plate_reader(path, "1", "X"), values_of(*shape))


def test_matrix_among_what_a_reader_writes_around_it(tmp_path: Path) -> None:
    head = "Instrument: Reader X\nTemperature 37.0 °C\nGain 100 120\n\nResults\n"
    path = tmp_path / "s_1.txt"
    path.write_bytes((head + as_text(values_of()) + "\nEnd 12:30\n").encode("cp1252"))
    check(read_plate_reader(path, "1", "X"), values_of())


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_matrix_with_a_byte_order_mark_and_windows_line_ends(tmp_path: Path, encoding) -> None:
    path = tmp_path / "s_1.csv"
    path.write_bytes(as_text(values_of(), ";").replace("\n", "\r\n").encode(encoding))
    check(read_plate_reader(path, "1", "X"), values_of())


def test_part_of_a_plate_keeps_its_places(tmp_path: Path) -> None:
    lines = as_text(values_of()).splitlines()
    part = ["\t".join(line.split("\t")[:1] + line.split("\t")[3:]) for line in lines]
    path = tmp_path / "s_1.txt"
    path.write_text("\n".join([part[0], *part[3:]]))
    frame = read_plate_reader(path, "1", "X")
    assert frame["well"].iloc[0] == "C03" and frame["value"].iloc[0] == 202.5
    assert len(frame) == 6 * 10


def test_missing_cells_at_the_end_of_a_row_stay_missing(tmp_path: Path) -> None:
    text = as_text(values_of()).replace("\t711.5", "").replace("\t710.5", "")
    path = tmp_path / "s_1.txt"
    path.write_text(text)
    frame = read_plate_reader(path, "1", "X").set_index("well")["value"]
    assert frame[["H11", "H12"]].isna().all() and frame["H10"] == 709.5


def write_workbook(path: Path, sheets: dict[str, list[list]]) -> None:
    with xlsxwriter.Workbook(str(path)) as book:
        for name, rows in sheets.items():
            sheet = book.add_worksheet(name)
            for i, row in enumerate(rows):
                sheet.write_row(i, 0, row)


def as_rows(values: np.ndarray) -> list[list]:
    header = [" ", *map(str, range(1, values.shape[1] + 1))]
    return [header, *([row_letters(i), *row] for i, row in enumerate(values.tolist()))]


def test_workbook_with_one_plate_and_a_sheet_of_words(tmp_path: Path) -> None:
    path = tmp_path / "demo_ST05.xlsx"
    write_workbook(path, {"Data": as_rows(values_of()), "Instructions": [["Row", "letters"]]})
    check(read_plate_reader(path, "1", "X"), values_of())


def test_workbook_with_a_sheet_per_plate(tmp_path: Path) -> None:
    path = tmp_path / "screen.xlsx"
    sheets = {f"s_P{i}": as_rows(values_of() + i) for i in (1, 2, 10)}
    write_workbook(path, sheets)
    check(read_plate_reader(path, "P1", "X"), values_of() + 1)
    check(read_plate_reader(path, "10", "X"), values_of() + 10)


def write_zip(path: Path, members: dict[str, str | bytes]) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def test_zip_of_plates_ignores_hidden_files(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    path = tmp_path / "all.zip"
    write_workbook(tmp_path / "s_3.xlsx", {"Data": as_rows(values_of() + 3)})
    buffer.write((tmp_path / "s_3.xlsx").read_bytes())
    write_zip(
        path,
        {
            "readouts/s_1.txt": as_text(values_of() + 1),
            "readouts/s_2.txt": as_text(values_of() + 2),
            "readouts/s_3.xlsx": buffer.getvalue(),
            "readouts/.DS_Store": b"\0\1",
            "__MACOSX/readouts/._s_2.txt": b"\0\5\x16",
        },
    )
    for i in (1, 2, 3):
        check(read_plate_reader(path, f"P{i}", "X"), values_of() + i)


LONG = "Plate;Row;Column;WellType;Treatment;Readout\n"


@pytest.mark.parametrize("plate", ["1", "P1", "plate 1", "01"])
def test_long_table_with_several_plates(tmp_path: Path, plate) -> None:
    values = values_of()
    rows = [
        f'{p};{row_letters(r)};{c + 1};therapy;"a;b";{str(v + p).replace(".", ",")}'
        for p in (1, 2)
        for (r, c), v in np.ndenumerate(values)
    ]
    path = tmp_path / "layout_and_readouts.csv"
    path.write_text(LONG + "\n".join(rows))
    check(read_plate_reader(path, plate, "X"), values + 1)


def test_long_table_with_wells_and_one_plate(tmp_path: Path) -> None:
    path = tmp_path / "long.tsv"
    path.write_text("well\tvalue\nB02\t1.5\nc3\tNA\n")
    frame = read_plate_reader(path, "", "X")
    assert frame["well"].tolist() == ["B02", "C03"]
    assert frame["value"].iloc[0] == 1.5 and np.isnan(frame["value"].iloc[1])


def test_numbers_arrive_exactly(tmp_path: Path) -> None:
    """What a workbook stores comes back as that number; the writer keeps 16 digits."""
    values = np.random.default_rng(0).lognormal(size=(8, 12)).round(12)
    write_workbook(tmp_path / "s_1.xlsx", {"a": as_rows(values)})
    check(read_plate_reader(tmp_path / "s_1.xlsx", "1", "X"), values)


@settings(max_examples=150, deadline=None)
@given(st.text(alphabet="0123456789., \t;NA\n-AB", max_size=400))
def test_no_text_becomes_a_number_by_accident(tmp_path_factory, text) -> None:
    """Whatever the text, the answer is an error that explains or numbers that stand in it."""
    path = tmp_path_factory.mktemp("fuzz") / "s_1.txt"
    path.write_text(text)
    try:
        frame = read_plate_reader(path, "1", "X")
    except ScoringError as error:
        assert error.where
    else:
        plain = text.replace(",", ".")
        assert all(f"{v:g}"[:1] in plain for v in frame["value"].dropna())


def bad(tmp_path: Path, name: str, content: str | bytes) -> Path:
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("s_1.txt", "", "no plate in this file"),
        ("s_1.txt", "only\nwords\n", "no plate in this file"),
        ("s_1.txt", "\t1\t2\nA\t1\t2\n", "no plate in this file"),
        ("s_1.txt", as_text(values_of()).replace("505.5", "OVER"), "not a number: 'OVER'"),
        ("s_1.txt", as_text(values_of()).replace("505.5", "5,5"), "decimal points"),
        ("s_1.txt", as_text(values_of()).replace("\nC\t", "\nB\t"), "a row twice"),
        ("s_1.txt", as_text(values_of(7, 11), letters=False), "which well"),
        ("s_2.txt", as_text(values_of()), "no plate(s) named 'P1'"),
        ("s_1.txt", as_text(np.full((8, 12), np.nan)), "no number for this plate"),
        ("s_1.txt", as_text(values_of()) + "\n" + as_text(values_of()), "2 plate(s) named"),
        ("s_1.txt", "Well\tReadout\nB2\t5\nB02\t6\n", "a well twice"),
        ("s_1.txt", "Well\tReadout\nZZ99\t5\n", "not a well"),
        ("s_1.txt", "Well\tReadout\nB2\tfive\n", "not a number"),
        ("s_1.txt", "Well\tReadout\tValue\nB2\t5\t6\n", "a column twice"),
        ("s_1.txt", b"\1\0\0\0" * 40, "binary content"),
        ("s_1.pdf", b"%PDF-1.4", "this is not a read-out"),
        ("s_1.xlsx", b"PK\3\4 not a workbook", "a damaged workbook"),
        ("s_1.zip", b"PK\3\4 not an archive", "a damaged archive"),
    ],
)
def test_bad_files_are_refused_with_their_place(tmp_path, name, content, message) -> None:
    path = bad(tmp_path, name, content)
    with pytest.raises(ScoringError) as caught:
        read_plate_reader(path, "P1", "X")
    assert message in str(caught.value)
    assert name in caught.value.where


def test_missing_file_and_folder(tmp_path: Path) -> None:
    for path, found in ((tmp_path / "none.txt", "no such file"), (tmp_path, "a folder")):
        with pytest.raises(ScoringError, match=found):
            read_plate_reader(path, "1", "X")


def test_bad_cell_is_named_with_its_line(tmp_path: Path) -> None:
    path = bad(tmp_path, "s_1.txt", as_text(values_of()).replace("505.5", "OVER"))
    with pytest.raises(ScoringError) as caught:
        read_plate_reader(path, "1", "X")
    assert "line 7" in caught.value.where and caught.value.found == "well F06"


@pytest.mark.parametrize(
    "name", ["../s_1.txt", "/tmp/s_1.txt", "a/../../s_1.txt", "..\\s_1.txt", "C:\\s_1.txt"]
)
def test_zip_with_paths_that_lead_outside_is_refused(tmp_path: Path, name) -> None:
    member = zipfile.ZipInfo()
    member.filename = name
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(member, as_text(values_of()))
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(ScoringError, match="leads outside"):
        read_plate_reader(tmp_path / "a.zip", "1", "X")
    assert sorted(tmp_path.rglob("*")) == before


def test_zip_that_unpacks_to_too_much_is_refused(tmp_path: Path) -> None:
    write_zip(tmp_path / "a.zip", {f"s_{i}.txt": b"0" * 2**24 for i in range(5)})
    assert (tmp_path / "a.zip").stat().st_size < 2**20
    with pytest.raises(ScoringError, match="too large"):
        read_plate_reader(tmp_path / "a.zip", "1", "X")


@pytest.mark.parametrize("suffix", [".zip", ".xlsx"])
def test_archive_that_lies_about_its_size_is_refused(tmp_path: Path, suffix) -> None:
    """The sizes in the headers say 10 bytes; unpacking stops there and the checksum gives it away."""
    write_zip(tmp_path / "a.zip", {"s_1.txt": b"1\t" * 2**20})
    data = bytearray((tmp_path / "a.zip").read_bytes())
    for signature, offset in ((b"PK\3\4", 22), (b"PK\1\2", 24)):
        start = data.index(signature)
        data[start + offset : start + offset + 4] = struct.pack("<I", 10)
    path = bad(tmp_path, f"b{suffix}", bytes(data))
    with pytest.raises(ScoringError, match="damaged"):
        read_plate_reader(path, "1", "X")


def test_zip_of_too_many_files_and_encrypted_ones(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(sources_module, "MAX_MEMBERS", 3)
    write_zip(tmp_path / "a.zip", {f"s_{i}.txt": "" for i in range(4)})
    with pytest.raises(ScoringError, match="too many files"):
        read_plate_reader(tmp_path / "a.zip", "1", "X")
    write_zip(tmp_path / "b.zip", {"s_1.txt": as_text(values_of())})
    data = bytearray((tmp_path / "b.zip").read_bytes())
    data[data.index(b"PK\1\2") + 8] |= 1
    with pytest.raises(ScoringError, match="encrypted"):
        read_plate_reader(bad(tmp_path, "c.zip", bytes(data)), "1", "X")


def test_flags_join_and_part() -> None:
    assert join_flags("", "a;b", "b; c", "") == "a;b;c"
    assert reasons("damaged: 3 planes; dim") == ["damaged", "dim"]
    assert reasons("") == []


def test_readouts_of_several_plates_are_one_table(tmp_path: Path) -> None:
    paths = []
    for plate in ("a", "b"):
        source = bad(tmp_path, f"{plate}_1.txt", as_text(values_of()))
        paths.append(tmp_path / f"{plate}.parquet")
        write_table(read_plate_reader(source, "1", plate), paths[-1], READOUT)
    frame = read_readouts(paths)
    assert frame.groupby("plate", sort=False).size().to_dict() == {"a": 96, "b": 96}
    conform(read_readouts([]), READOUT, where="test")
