import difflib
import subprocess
import sys

import pytest

from exvivo.errors import ExvivoError
from exvivo.sheets import document
from exvivo.sheets.schema import read_schema


def test_the_reference_in_config_readme_is_up_to_date(repository):
    path = repository / "config" / "README.md"
    text = path.read_text(encoding="utf-8")
    made = document.render(text)
    change = "\n".join(difflib.unified_diff(text.splitlines(), made.splitlines(), lineterm=""))
    assert not change, (
        f"config/README.md is out of step with the schemas: run `make docs`\n{change}"
    )
    for part in ("parameters", *document.SHEETS):
        assert f"<!-- made: {part} -->" in text


def test_every_parameter_has_a_row_with_its_default():
    table = document.parameters_table()
    for line in (
        '| `plates` | text | `"config/plates.tsv"` |',
        "| `training.recipes.<network>.input_size` | whole number ≥ 32 and ≤ 1024 | the network's own |",
        "| `training.recipes.<network>.<phase1\\|phase2\\|phase3>.epochs` |",
        '| `readouts.<readout>.contrast.positive` | section | `{role: "positive_control"}` |',
        "| `scoring.threshold` | `variable` or a number from 0 to below 100 |",
        "`{good: 0.5, bad: 0.0, gate: true}`",
    ):
        assert line in table
    top = read_schema("config")["properties"]
    assert all(f"`{key}" in table for key in top)


def test_tables_have_the_same_number_of_cells_in_each_row():
    tables = [document.parameters_table(), *map(document.sheet_table, document.SHEETS)]
    for table in tables:
        bars = {line.replace("\\|", "").count("|") for line in table.splitlines()}
        assert bars == {5}


@pytest.mark.parametrize("name", document.SHEETS)
def test_every_column_of_a_sheet_has_a_row(name):
    table = document.sheet_table(name)
    rows = table.splitlines()[2:]
    assert [row.split("`")[1] for row in rows] == list(read_schema(name)["properties"])
    needed = [row.split("`")[1] for row in rows if row.split("|")[2].strip() == "yes"]
    assert needed == read_schema(name)["required"]


def test_an_unknown_part_is_refused():
    with pytest.raises(ExvivoError, match="wells"):
        document.render("<!-- made: wells -->\n<!-- end -->")


def test_what_is_between_the_markers_is_replaced_and_nothing_else(tmp_path):
    path = tmp_path / "README.md"
    path.write_text("before\n<!-- made: drugs -->\nold\n<!-- end -->\nafter\n", encoding="utf-8")
    assert document.README.is_file()
    command = [sys.executable, "-m", "exvivo.sheets.document", str(path)]
    subprocess.run(command, check=True)
    text = path.read_text(encoding="utf-8")
    assert text.startswith("before\n<!-- made: drugs -->\n\n| column |")
    assert text.endswith("|\n\n<!-- end -->\nafter\n")
    assert "old" not in text
