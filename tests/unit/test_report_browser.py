"""The report in a real browser: it loads without a complaint or a request, and its script works."""

import pytest

from browser import Browser, find_chromium
from exvivo.report.build import build_report
from report_screen import make_screen

pytestmark = pytest.mark.skipif(
    find_chromium() is None, reason="needs chromium: apt-get install chromium"
)


def opened(screen, **size) -> Browser:
    build_report(**screen.arguments())
    return Browser(screen.folder / "report.html", **size)


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    screen = make_screen(tmp_path_factory.mktemp("hostile"), shape=(16, 24), hostile=True, drugs=22)
    page = opened(screen)
    page.screen = screen
    yield page
    page.close()


def count(browser, selector: str) -> int:
    return browser.run(
        f"[...document.querySelectorAll({selector!r})].filter(e => !e.hidden).length"
    )


def test_it_loads_in_silence(browser):
    assert browser.run("document.documentElement.classList.contains('scripted')")
    assert browser.errors == []
    assert all(url.startswith(("file:", "data:")) for url in browser.requests)
    assert sum(url.startswith("file:") for url in browser.requests) == 1


def test_no_text_of_a_drug_is_run(browser):
    assert browser.run("document.scripts.length") == 2
    assert browser.run("[...document.images].every(i => i.src === '' || i.src.startsWith('data:'))")


def test_nothing_sticks_out(browser):
    assert browser.run("document.documentElement.scrollWidth <= window.innerWidth")


def test_the_list_is_sorted_and_filtered(browser):
    names = "[...document.querySelectorAll('#ranked tbody tr')].map(r => r.querySelector('bdi').textContent)"
    ranked = browser.run(names)
    browser.mouse("#ranked th[data-sort=name] [role=button]", click=True)
    assert browser.run(names) == browser.run(
        f"{names}.sort((a, b) => a.toLowerCase().localeCompare(b.toLowerCase()))"
    )
    browser.mouse("#ranked th[data-sort=rank] [role=button]", click=True)
    assert browser.run(names) == ranked
    browser.run("document.querySelector('#only-hits').click()")
    hits = count(browser, "#ranked tbody tr")
    own = browser.screen.scores[browser.screen.scores["readout"] == browser.screen.headline]
    assert hits == own["hit"].sum()
    assert count(browser, ".card[data-drug^=drug]") == hits
    browser.run("document.querySelector('#only-hits').click()")
    browser.run(
        "(e => { e.value = 'TRAMET'; e.dispatchEvent(new Event('input')); })(document.querySelector('#find'))"
    )
    assert count(browser, "#ranked tbody tr") == 1
    browser.run(
        "(e => { e.value = ''; e.dispatchEvent(new Event('input')); })(document.querySelector('#find'))"
    )
    assert count(browser, "#ranked tbody tr") == len(own)


def test_pointing_at_a_bar_marks_its_curve(browser):
    key = browser.run("document.querySelector('.waterfall a').dataset.drug")
    browser.mouse(f".waterfall a[data-drug={key}] rect")
    assert browser.run(f"document.getElementById({key!r}).classList.contains('on')")
    assert browser.run(
        f"document.querySelector('#ranked tr[data-drug={key}]').classList.contains('on')"
    )
    browser.mouse(f".waterfall a[data-drug={key}] rect", click=True)
    assert browser.run("location.hash") == f"#{key}"


def well_of(browser, role: str) -> str:
    own = browser.screen.responses
    row = own[(own["role"] == role) & own["used"]].iloc[0]
    return f"{row['plate']}/{row['well']}"


def test_a_well_of_the_map_shows_its_number_and_image(browser):
    key = well_of(browser, "treatment")
    browser.mouse(f".plate-map [data-w='{key}']")
    assert browser.run("!document.querySelector('#tip').hidden")
    browser.mouse(f".plate-map [data-w='{key}']", click=True)
    assert browser.run("document.querySelector('#well').open")
    row = browser.screen.responses.set_index(["plate", "well"]).loc[tuple(key.split("/"))].iloc[0]
    facts = browser.run("document.querySelector('#well-facts').textContent")
    assert f"viability {100 * row['viability']:.1f}".replace("-", "−") in facts
    assert row["treatment"] in facts
    assert browser.run("document.querySelector('#well-image').decode().then(() => true)")
    assert browser.run("document.querySelector('#well-image').naturalWidth") > 0
    browser.key("Escape")
    assert not browser.run("document.querySelector('#well').open")


def test_every_image_can_be_shown(browser):
    found = browser.run("""(() => {
        const data = JSON.parse(document.querySelector('#data').textContent);
        const shown = new Set([...document.querySelectorAll('img[data-w], image[data-w]')].map(e => e.dataset.w));
        return Object.entries(data.wells).filter(([key, well]) => well[6][0] && !data.images[key] && !shown.has(key)).length;
    })()""")
    assert found == 0


def test_the_plate_can_be_walked_with_the_keyboard(browser):
    browser.run("document.querySelector('.plate-map').focus()")
    browser.key("ArrowRight")
    first = browser.run("document.querySelector('.plate-map .at').dataset.w")
    browser.key("ArrowRight")
    second = browser.run("document.querySelector('.plate-map .at').dataset.w")
    assert first.split("/")[1][0] == second.split("/")[1][0]
    assert int(first[-2:]) < int(second[-2:])
    assert second.split("/")[1] in browser.run("document.querySelector('#voice').textContent")
    browser.key("Enter")
    assert browser.run("document.querySelector('#well').open")
    browser.key("ArrowDown")
    assert (
        browser.run("document.querySelector('#well-title').textContent").split(" ")[0]
        != second.split("/")[1]
    )
    browser.key("Escape")


def test_grey_images(browser):
    browser.mouse("#grey", click=True)
    assert browser.run("getComputedStyle(document.querySelector('.well-image')).filter").startswith(
        "url("
    )
    browser.mouse("#grey", click=True)
    assert browser.run("getComputedStyle(document.querySelector('.well-image')).filter") == "none"


def test_in_the_end_nothing_was_complained_about(browser):
    assert browser.errors == []


@pytest.mark.parametrize("width", [390, 820])
def test_narrow_windows_scroll_only_downwards(tmp_path, width):
    screen = make_screen(tmp_path, shape=(16, 24), held=True, image_side=16)
    page = opened(screen, width=width)
    try:
        assert page.run("document.documentElement.scrollWidth <= window.innerWidth")
        assert page.errors == []
    finally:
        page.close()
