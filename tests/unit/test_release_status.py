import pytest

from exvivo.release.status import set_status
from exvivo.sheets import load_config
from exvivo.sheets.registry import read_sheet

SHEET = b"# by hand\nscreen\tkind\tstatus\tsample\nS1\tdrug\topen\tA-1\nS10\tdrug\t\tA-2\n"


def edit(tmp_path, content, screen="S1", status="released"):
    path = tmp_path / "screens.tsv"
    path.write_bytes(content)
    return set_status(path, screen, status), path.read_bytes()


def test_one_cell_changes_and_no_other_byte(tmp_path):
    assert edit(tmp_path, SHEET) == (True, SHEET.replace(b"drug\topen", b"drug\treleased"))
    assert edit(tmp_path, SHEET, "S10") == (True, SHEET.replace(b"drug\t\tA", b"drug\treleased\tA"))


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace(b"\n", b"\r\n"),
        lambda text: b"\xef\xbb\xbf" + text,
        lambda text: text.replace(b"\t", b";"),
        lambda text: text.replace(b"\t", b","),
        lambda text: text.removesuffix(b"\n"),
        lambda text: text.replace(b"A-2", '"µ\tx"'.encode()),  # quotation marks in another row
        lambda text: text + b"\n\n# S1\tdrug\n",
    ],
)
def test_endings_marks_and_separators_stay(tmp_path, change):
    content = change(SHEET)
    told, found = edit(tmp_path, content)
    assert told and found == content.replace(b"open", b"released", 1)


def test_a_row_that_ends_early_is_filled_up(tmp_path):
    told, found = edit(tmp_path, b"screen\tkind\tsample\tstatus\nS1\tdrug\n")
    assert told and found == b"screen\tkind\tsample\tstatus\nS1\tdrug\t\treleased\n"


@pytest.mark.parametrize(
    "content",
    [
        b"screen\tkind\nS1\tdrug\n",  # no such column
        b"screen\tkind\tstatus\nS2\tdrug\topen\n",  # no such row
        b"screen\tkind\tstatus\nS1\tdrug\topen\nS1\tdrug\topen\n",
        b'screen\tkind\tstatus\nS1\t"drug"\topen\n',
        b"screen\tkind\tstatus\nS1\tdrug\topen\tmore\n",
        SHEET.decode().encode("utf-16"),
        b"",
    ],
)
def test_a_sheet_that_cannot_be_edited_safely_is_left_alone(tmp_path, content):
    assert edit(tmp_path, content) == (False, content)


def test_what_was_written_is_read_back_and_its_mode_stays(tmp_path):
    path = tmp_path / "screens.tsv"
    path.write_bytes(SHEET)
    path.chmod(0o640)
    assert set_status(path, "S1", "released")
    problems = []
    rows = read_sheet(path, "screens", "screens.tsv", problems)
    assert problems == [] and [row.values["status"] for row in rows] == ["released", "open"]
    assert path.stat().st_mode & 0o777 == 0o640
    assert load_config({})["screens"].endswith("screens.tsv")
