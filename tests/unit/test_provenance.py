from pathlib import Path

import pytest

from exvivo import provenance
from exvivo.errors import StoreError


@pytest.fixture
def library(tmp_path, monkeypatch):
    """A little library with a script that imports one of its two modules, lazily."""
    package = tmp_path / "exvivo"
    package.mkdir()
    (package / "__init__.py").write_text('"""Text."""\n')
    (package / "errors.py").write_text("X = 1\n")
    (package / "used.py").write_text(
        '"""Doc."""\nfrom exvivo.deeper import f\n\ndef g():\n    return f()\n'
    )
    (package / "deeper.py").write_text("import exvivo.errors\n\ndef f():\n    return 1\n")
    (package / "unused.py").write_text("Y = 1\n")
    (tmp_path / "do_it.py").write_text("def main():\n    from exvivo import used\n    used.g()\n")
    monkeypatch.setattr(provenance, "SCRIPTS", tmp_path)
    clear()
    yield package
    clear()


def clear():
    for function in (
        provenance.code_digest,
        provenance._imports,
        provenance._module_digest,
    ):
        function.cache_clear()


def digest():
    clear()
    return provenance.code_digest("do_it.py")


def test_reaches_modules_through_others_and_inside_functions(library):
    assert provenance.reachable_modules("do_it.py") == {"exvivo.used", "exvivo.deeper"}


def test_changed_code_changes_the_digest(library):
    before = digest()
    (library / "deeper.py").write_text("import exvivo.errors\n\ndef f():\n    return 2\n")
    assert digest() != before


@pytest.mark.parametrize(
    ("module", "text"),
    [
        ("unused.py", "Y = 2\n"),
        ("errors.py", "X = 2\n"),
        (
            "used.py",
            '"""Better."""\n# why\nfrom exvivo.deeper import f\n\ndef g():\n    """Doc."""\n    return f()\n',
        ),
    ],
)
def test_what_cannot_change_a_result_keeps_the_digest(library, module, text):
    before = digest()
    (library / module).write_text(text)
    assert digest() == before


def test_templates_of_a_package_count(library):
    (library / "page").mkdir()
    (library / "page" / "__init__.py").write_text("Z = 1\n")
    (library / "page" / "view.html.j2").write_text("a")
    (library / "used.py").write_text("import exvivo.page\n")
    before = digest()
    (library / "page" / "view.html.j2").write_text("b")
    assert digest() != before


def test_every_script_of_the_workflow_has_a_digest(repository):
    for script in sorted((repository / "scripts").glob("*.py")):
        assert len(provenance.code_digest(script.name)) == 16


def test_refuses_a_copy_of_the_library_from_elsewhere(tmp_path):
    with pytest.raises(StoreError, match="another copy of exvivo"):
        provenance.check_library(tmp_path / "train_phase.py")
    provenance.check_library(Path(provenance.SCRIPTS, "any.py"))
