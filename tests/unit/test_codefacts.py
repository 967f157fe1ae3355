"""What a file of code says is remembered by its content, and a broken memory costs only time."""

import json

import pytest

from exvivo import codefacts
from exvivo.codefacts import facts, save

CODE = '"""Doc."""\nimport a.b\nfrom c import d\n\n\ndef f():\n    """Doc."""\n    from e.f import g  # why\n    return g\n'


@pytest.fixture(autouse=True)
def memory(tmp_path, monkeypatch):
    """A memory of the test's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    forget()
    yield codefacts._place()
    forget()


def forget():
    codefacts._memory.cache_clear()
    codefacts._unsaved.clear()


def code(folder, text):
    path = folder / "module.py"
    path.write_text(text)
    return path


def test_imports_wherever_they_stand(tmp_path):
    assert facts(code(tmp_path, CODE)).imports == ("a.b", "c", "c.d", "e.f", "e.f.g")


def test_comments_and_docstrings_do_not_count_and_code_does(tmp_path):
    digest = facts(code(tmp_path, CODE)).digest
    assert facts(code(tmp_path, CODE.replace("why", "how").replace("Doc", "Text"))).digest == digest
    assert facts(code(tmp_path, CODE.replace("return g", "return a"))).digest != digest


def test_a_second_process_does_not_parse(tmp_path, monkeypatch, memory):
    path = code(tmp_path, CODE)
    found = facts(path)
    save()
    forget()

    def parse(*_):
        raise AssertionError("parsed again")

    monkeypatch.setattr(codefacts, "_parse", parse)
    assert facts(path) == found
    path.write_text(CODE + "x = 1\n")
    with pytest.raises(AssertionError, match="parsed again"):
        facts(path)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"a": 1}', '{"a": [1]}', '"text"'])
def test_a_damaged_memory_is_made_anew(tmp_path, memory, content):
    memory.parent.mkdir(parents=True)
    memory.write_text(content)
    path = code(tmp_path, CODE)
    found = facts(path)
    save()
    assert list(json.loads(memory.read_text()).values()) == [[list(found.imports), found.digest]]


def test_a_memory_that_cannot_be_written_is_no_error(tmp_path, memory):
    memory.parent.parent.mkdir(parents=True, exist_ok=True)
    memory.parent.write_text("a file where the folder would be")
    facts(code(tmp_path, CODE))
    save()


def test_old_facts_are_dropped(tmp_path, memory, monkeypatch):
    monkeypatch.setattr(codefacts, "_MOST", 3)
    for number in range(5):
        facts(code(tmp_path, f"x = {number}\n"))
    save()
    assert len(json.loads(memory.read_text())) == 3
