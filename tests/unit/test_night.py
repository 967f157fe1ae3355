"""The parts of a night: finding and entering plates, the lock, Snakemake's output, outcomes, the summary."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from exvivo.errors import ConfigError, SheetError
from exvivo.failures import Failure, record
from exvivo.night import entries, lock, outcome, snake, summary, turnaround
from exvivo.night.discover import ARRIVING, NEW, PERSON, find_plates
from exvivo.night.lock import NightRunningError
from exvivo.night.run import Order, _options, run_night
from exvivo.plates.cache import ScanCache
from exvivo.plates.tree import walk
from exvivo.sheets import Plate, load_config, read_sheets

RULE = {
    "folder": r"[0-9-]+/(?P<screen>S[0-9]+)_(?P<number>P[0-9])",
    "plate": "{screen}_{number}",
    "layout": "layouts/{screen}.tsv",
    "layout_plate": "{number}",
    "new_screen": {"sample": "PT-{screen}", "readouts": "mean_of_stack"},
}
PLATES = "plate\tscreen\tpath\tinstrument\tlayout\tlayout_plate\n"
SCREENS = "screen\tkind\tsample\treadouts\n"


@pytest.fixture
def facility(tmp_path, monkeypatch):
    """A facility with one known plate; `add(path)` makes a plate's folder."""
    monkeypatch.chdir(tmp_path)
    for name in ("config/layouts", "raw"):
        (tmp_path / name).mkdir(parents=True)
    for screen in ("S1", "S2", "S3"):
        (tmp_path / f"config/layouts/{screen}.tsv").write_text("well\trole\nB02\tempty\n")
    known = "S1_P1\tS1\tday/S1_P1\timagexpress\tlayouts/S1.tsv\tP1\n"
    (tmp_path / "config/plates.tsv").write_text("# ours\n" + PLATES + known)
    (tmp_path / "config/screens.tsv").write_text(SCREENS + "S1\tdrug\tPT-1\tmean_of_stack")
    add("day/S1_P1")
    return tmp_path


def add(path, images=("a.tif",)):
    folder = Path("raw") / path
    folder.mkdir(parents=True)
    for name in images:
        (folder / name).touch()
    return folder


def find(now=None, **rule):
    config = settings(**rule)
    sheets = read_sheets(config, Path.cwd())
    known = {plate.path for plate in sheets.plates.values()}
    now = time.time() + 7200 if now is None else now
    return config, sheets, find_plates(Path("raw"), known, config["night"], 30, now)


def settings(**rule):
    return load_config({"data_root": "raw", "night": RULE | rule})


def enter(dry_run=False, **rule):
    config, sheets, found = find(**rule)
    entries.enter(found, config, sheets, Path.cwd(), dry_run=dry_run)
    return {one.path: (one.state, one.reason) for one in found}


def sheet(name):
    return (Path("config") / f"{name}.tsv").read_text()


def test_new_plates_are_found_by_the_rule_and_known_ones_left(facility):
    add("2026-01-02/S1_P2")
    add("2026-01-02/S2_P1")
    _, _, found = find()
    assert [(one.path, one.state) for one in found] == [
        ("2026-01-02/S1_P2", NEW), ("2026-01-02/S2_P1", NEW),
    ]  # fmt: skip
    assert found[1].plate == {
        "plate": "S2_P1", "screen": "S2", "path": "2026-01-02/S2_P1", "instrument": "imagexpress",
        "layout": "layouts/S2.tsv", "layout_plate": "P1",
    }  # fmt: skip
    assert found[1].screen["screen"] == "S2" and found[1].screen["sample"] == "PT-S2"


def test_without_a_rule_nothing_is_looked_for(facility):
    add("2026-01-02/S1_P2")
    assert (
        find(folder=None, plate="x", screen="x", layout="x", layout_plate="", new_screen={})[2]
        == []
    )


def test_a_plate_that_is_being_copied_waits(facility):
    add("2026-01-02/S2_P1")
    _, _, (one,) = find(now=time.time() + 60)
    assert one.state == ARRIVING and "30 minutes" in one.reason


def test_folders_with_images_that_fit_no_rule_and_empty_ones_are_named(facility):
    add("2026-01-02/S2P1")
    add("2026-01-02/S2_P2", images=("readme.txt",))
    add("2026-01-02/.S2_P3")
    add("notes", images=("readme.txt",))
    _, _, found = find()
    assert {one.path: one.reason.split(",")[0] for one in found} == {
        "2026-01-02/S2P1": "holds images", "2026-01-02/S2_P2": "holds no image files",
    }  # fmt: skip
    assert {one.state for one in found} == {PERSON}


def test_rows_are_added_and_nothing_else_is_touched(facility):
    add("2026-01-02/S1_P2")
    add("2026-01-02/S2_P1")
    before = sheet("plates"), sheet("screens")
    enter()
    assert sheet("plates") == before[0] + (
        "S1_P2\tS1\t2026-01-02/S1_P2\timagexpress\tlayouts/S1.tsv\tP2\n"
        "S2_P1\tS2\t2026-01-02/S2_P1\timagexpress\tlayouts/S2.tsv\tP1\n"
    )
    # The sheet ended without a line end.
    assert sheet("screens") == before[1] + "\nS2\tdrug\tPT-S2\tmean_of_stack\n"
    assert not list(Path("config").glob(".*"))


def test_a_dry_run_writes_nothing_and_says_the_same(facility):
    add("2026-01-02/S2_P1")
    add("2026-01-02/S9_P1")
    before = sheet("plates"), sheet("screens")
    said = enter(dry_run=True)
    assert (sheet("plates"), sheet("screens")) == before
    assert enter() == said


def test_a_layout_is_never_made_up(facility):
    add("2026-01-02/S9_P1")
    (state, reason) = enter()["2026-01-02/S9_P1"]
    assert state == PERSON and "layouts/S9.tsv" in reason
    assert "S9" not in sheet("plates") + sheet("screens")


def test_what_the_sheets_refuse_is_not_entered_and_others_are(facility):
    add("2026-01-02/S2_P1")
    add("2026-01-03/S2_P1")  # the same plate twice
    add("2026-01-02/S3_P1")
    said = enter()
    assert said["2026-01-02/S2_P1"][0] == said["2026-01-03/S2_P1"][0] == PERSON
    assert "S2_P1" in said["2026-01-02/S2_P1"][1]
    assert said["2026-01-02/S3_P1"] == (NEW, "")
    assert "S2" not in sheet("screens") and "S3_P1" in sheet("plates")


def test_a_value_without_a_column_is_named(facility):
    add("2026-01-02/S2_P1")
    said = enter(new_screen={"readouts": "viability_phase2", "network": "small"})
    assert said["2026-01-02/S2_P1"][0] == PERSON and "network" in said["2026-01-02/S2_P1"][1]


def test_a_new_plate_of_a_released_screen_is_for_a_person(facility):
    text = sheet("screens").replace("readouts", "readouts\tstatus") + "\treleased\n"
    Path("config/screens.tsv").write_text(text)
    add("2026-01-02/S1_P2")
    state, reason = enter()["2026-01-02/S1_P2"]
    assert state == PERSON and "released" in reason


def test_a_new_screen_waits_for_all_its_plates(facility):
    add("2026-01-02/S2_P1")
    assert enter(plates_per_screen=2)["2026-01-02/S2_P1"] == (
        ARRIVING, "1 of 2 plates of screen S2 are here",
    )  # fmt: skip
    add("2026-01-02/S2_P2")
    assert set(enter(plates_per_screen=2).values()) == {(NEW, "")}


@pytest.mark.parametrize(
    ("content", "end"),
    [
        (b"plate,screen\r\nA,B\r\n", b'C,"D,E"\r\n'),
        ("plate;screen\nA;B".encode("utf-16"), "\nC;D,E\n".encode("utf-16-le")),
        (b"\xef\xbb\xbf# why\nscreen\tplate\nB\tA\n", b"D,E\tC\n"),
    ],
)
def test_a_sheet_keeps_its_delimiter_encoding_line_ends_and_columns(tmp_path, content, end):
    path = tmp_path / "sheet.csv"
    path.write_bytes(content)
    assert entries.add_rows(path, content, [{"plate": "C", "screen": "D,E"}]) == content + end


def test_a_sheet_that_somebody_saves_meanwhile_is_left_alone(tmp_path):
    path = tmp_path / "plates.tsv"
    path.write_text("other")
    with pytest.raises(SheetError, match="changed by somebody"):
        entries._replace(path, b"before", b"after")
    assert path.read_text() == "other"


def test_the_rule_must_have_the_groups_it_names():
    with pytest.raises(ConfigError, match=r"night\.layout_plate.*number"):
        load_config({"night": RULE | {"folder": "(?P<screen>S[0-9])", "plate": "{screen}"}})
    with pytest.raises(ConfigError, match=r"night\.folder"):
        load_config({"night": {"folder": "("}})


# ---- lock ----------------------------------------------------------------------------------------


def test_two_nights_exclude_each_other(tmp_path):
    path = tmp_path / "nights/lock.json"
    with lock.locked(path, "one"), pytest.raises(NightRunningError, match="night one"):
        lock.Lock(path, "two").take()
    assert not path.exists()
    with lock.locked(path, "three") as held:
        assert held.taken_over == ""


def test_of_many_nights_one_begins(tmp_path):
    path, won = tmp_path / "lock.json", []
    code = (
        "import sys, time; from pathlib import Path; from exvivo.night.lock import Lock\n"
        "Lock(Path(sys.argv[1]), sys.argv[2]).take(); print('won', flush=True); time.sleep(20)"
    )
    many = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(path), str(n)],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        for n in range(4)
    ]
    readers = [threading.Thread(target=lambda p=p: won.append(p.stdout.readline())) for p in many]
    for reader in readers:
        reader.start()
    end = time.monotonic() + 60
    while sum(p.poll() is not None for p in many) < 3 and time.monotonic() < end:
        time.sleep(0.05)
    for process in many:
        process.kill()
        process.wait()
    for reader in readers:
        reader.join()
    assert won.count("won\n") == 1


def test_the_lock_of_a_dead_night_is_taken_over(tmp_path, caplog):
    path = tmp_path / "lock.json"
    dead = subprocess.Popen([sys.executable, "-c", "pass"])
    held = lock.Lock(path, "dead")
    held._content["pids"] = [[dead.pid, lock._started(dead.pid)]]
    held.take()
    dead.wait()
    with lock.locked(path, "next") as taken:
        assert taken.taken_over == "dead"
    assert "night dead is taken over" in caplog.text


def test_a_night_whose_snakemake_lives_is_alive(tmp_path):
    path = tmp_path / "lock.json"
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    held = lock.Lock(path, "one")
    held.take()
    held.add_process(child.pid)
    held._content["pids"] = held._content["pids"][1:]
    path.write_text(json.dumps(held._content))
    try:
        with pytest.raises(NightRunningError):
            lock.Lock(path, "two").take()
    finally:
        child.kill()
        child.wait()
    lock.Lock(path, "two").take()


def test_a_night_on_another_machine_counts_while_it_beats(tmp_path):
    path = tmp_path / "lock.json"
    path.write_text(json.dumps({"night": "far", "host": "elsewhere", "pids": [[1, "1"]]}))
    with pytest.raises(NightRunningError):
        lock.Lock(path, "near").take()
    long_ago = time.time() - lock.STALE_SECONDS - 1
    os.utime(path, (long_ago, long_ago))
    lock.Lock(path, "near").take()


# ---- Snakemake -----------------------------------------------------------------------------------


def test_what_snakemake_says_of_host_and_user_is_left_out(tmp_path):
    text = "  Host: node7\n  User: jane\n1 of 9 steps (11%) done\n2 of 9 steps (22%) done\n"
    output = tmp_path / "out.log"
    done = snake.run([sys.executable, "-c", f"print({text!r})"], output)
    assert (done.status, done.done, done.signal) == (0, 2, "")
    assert "jane" not in output.read_text() and "node7" not in output.read_text()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_run_as_an_interrupt_and_is_told(tmp_path, number):
    code = (
        "import time\n"
        "try:\n    print('up', flush=True); time.sleep(60)\n"
        "except KeyboardInterrupt:\n    print('Cancelling snakemake'); raise SystemExit(1)"
    )
    output = tmp_path / "out.log"

    def when_up(pid):
        def send():
            while "up" not in output.read_text():
                time.sleep(0.05)
            os.kill(os.getpid(), number)

        threading.Thread(target=send).start()

    before = signal.getsignal(number)
    done = snake.run([sys.executable, "-c", code], output, when_up)
    assert (done.status, done.signal) == (1, number.name)
    assert "Cancelling snakemake" in done.tail
    assert signal.getsignal(number) is before


def test_a_night_told_to_stop_before_snakemake_runs_says_so(facility, monkeypatch):
    def scan(*_, **__):
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(5)

    monkeypatch.setattr("exvivo.watch.scan", scan)
    result = run_night(settings(), Order("profiles/default"))
    assert result.state == "stopped" and "SIGTERM" in result.trouble
    assert result.needs_a_person()
    assert not Path("results/nights/lock.json").exists()
    assert list(Path("results/nights").glob("*.txt"))


def test_broken_sheets_make_a_summary_that_says_so(facility):
    Path("config/plates.tsv").write_text("plate\n")
    result = run_night(settings(mail_command=["tee", "mail.txt"]), Order("profiles/default"))
    assert result.state == "trouble" and "plates.tsv" in result.trouble
    assert "plates.tsv" in Path("mail.txt").read_text()


def test_an_urgent_screen_goes_first_and_a_single_one_alone():
    report = "results/screens/S1/report.html"
    assert _options(Order("p", "S1", True, ("--cores", "2")), ["S1"]) == [
        "--cores", "2", "--prioritize", report,
    ]  # fmt: skip
    assert _options(Order("p", "S1"), ["S1"]) == ["--", report]
    assert _options(Order("p"), ["S1"]) == []


def test_a_screen_that_is_not_open_is_refused(facility):
    result = run_night(settings(), Order("profiles/default", "S8"))
    assert result.state == "trouble" and "S8" in result.trouble and "S1" in result.trouble


# ---- outcomes and summary ------------------------------------------------------------------------


def write_screen(folder, screen, admission="ready", verdict="pass", reasons=()):
    out = folder / "results/screens" / screen
    out.mkdir(parents=True)
    reasons = list(reasons)
    (out / "admission.json").write_text(json.dumps({"verdict": admission, "reasons": reasons}))
    (out / "verdict.json").write_text(json.dumps({"verdict": verdict, "reasons": reasons}))
    (out / "report.html").touch()


def test_every_screen_gets_its_state(facility):
    rows = "".join(f"S{n}\tdrug\tPT-{n}\tmean_of_stack\n" for n in range(2, 7))
    Path("config/screens.tsv").write_text(sheet("screens") + "\n" + rows)
    lines = [f"S{n}_P1\tS{n}\tp{n}\timagexpress\tlayouts/S1.tsv\tP1\n" for n in range(2, 7)]
    Path("config/plates.tsv").write_text(sheet("plates") + "".join(lines))
    sheets = read_sheets(settings(), Path.cwd())
    write_screen(facility, "S1")
    write_screen(facility, "S2", "waiting", "hold", ["plate S2_P1 is still arriving"])
    write_screen(facility, "S3", "refused", "hold", ["plate S3_P1 is refused"])
    write_screen(facility, "S4")
    write_screen(facility, "S6")
    failed = [failure("project_plate", plate="S4_P1", sentence="killed", text="no room\n  more")]
    found = outcome.outcomes(sheets, list(sheets.screens), failed, ["S6"], 0.0, facility)
    assert {one.screen: one.state for one in found} == {
        "S1": "finished", "S2": "waiting", "S3": "held", "S4": "failed", "S5": "not reached",
        "S6": "not reached",
    }  # fmt: skip
    assert found[3].reasons == ["project_plate of plate S4_P1: killed: no room"]
    assert found[0].made
    assert not outcome.outcomes(sheets, ["S1"], [], [], time.time() + 5, facility)[0].made


def failure(rule, **facts):
    names = ("plate", "screen", "log", "cause", "sentence", "text", "remedy")
    return Failure(rule, **dict.fromkeys(names, "") | facts)


def test_a_failed_training_plate_fails_the_screens_that_learn_from_it(facility):
    columns = SCREENS.strip() + "\tnetwork\ttraining_screen\n"
    rows = "T1\ttraining\t\t\t\t\nS1\tdrug\tPT-1\tviability_phase2\tsmall\tT1\n"
    Path("config/screens.tsv").write_text(columns + rows)
    plate = "T1_P1\tT1\tt\timagexpress\tlayouts/S1.tsv\tP1\n"
    Path("config/plates.tsv").write_text(sheet("plates") + plate)
    sheets = read_sheets(settings(), Path.cwd())
    for failed in (
        failure("r", plate="T1_P1"),
        failure("r", screen="T1"),
        failure("fetch_weights"),
    ):
        assert outcome.outcomes(sheets, ["S1"], [failed], [], 0.0, facility)[0].state == "failed"


def test_failures_of_an_earlier_night_are_not_told_again(facility):
    assert outcome.failures(0) == []
    began = time.time() - 1
    record([failure("r", plate="P1")], "run.log")
    assert outcome.failures(began) == [failure("r", plate="P1")]
    assert outcome.failures(time.time() + 1) == []


def a_summary():
    result = summary.Summary("N1", "then", "later")
    result.screens = [
        outcome.Outcome("S1", "finished", made=True, hours=1.26),
        outcome.Outcome("S2", "held", ["plate P2 is refused"]),
    ]
    return result


def test_the_summary_tells_what_needs_somebody():
    result = a_summary()
    assert result.subject() == "exvivo night N1: 1 finished, 1 held"
    assert not result.needs_a_person()
    assert "S1: report 1.3 h after its last raw file" in result.text()
    assert "S2: plate P2 is refused" in result.text()
    result.for_a_person = {"day/X": "there is no layout X"}
    assert result.needs_a_person() and "day/X: there is no layout X" in result.text()
    assert result.to_json()["screens"]["held"][0]["screen"] == "S2"


def test_the_mail_command_gets_the_text_word_by_word_and_no_shell(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = a_summary()
    result.screens[1].reasons = ["$(touch pwned); `touch pwned`"]
    code = "import sys; open('mail', 'w').write(sys.argv[1] + '\\n' + sys.stdin.read())"
    said = summary.send(result, [sys.executable, "-c", code, "re: {subject}; touch pwned"])
    assert said == "handed over"
    written = Path("mail").read_text()
    assert written.startswith("re: exvivo night N1: 1 finished, 1 held; touch pwned\n")
    assert "$(touch pwned)" in written and not Path("pwned").exists()


def test_a_mail_command_that_fails_is_told(tmp_path):
    assert summary.send(a_summary(), ["false"]) == "failed: status 1"
    assert summary.send(a_summary(), [str(tmp_path / "none")]).startswith("failed: No such file")
    assert summary.send(a_summary(), None) == "no mail command"


def test_turnaround_counts_from_the_last_raw_file_and_each_arrival_once(tmp_path):
    raw = tmp_path / "raw"
    raw.mkdir()
    for name in ("a.tif", "b.tif"):
        (raw / name).touch()
        os.utime(raw / name, (1000, 1000))
    cache = ScanCache("k")
    cache.remember(walk(raw), time.time_ns())
    cache.save(tmp_path / "results/P1")
    plate = Plate("P1", "S1", "raw", "imagexpress", "l")
    arrived = turnaround.arrival([plate], tmp_path / "results")
    # The times of content are old; the entries were written here a moment ago.
    assert arrived == pytest.approx((raw / "b.tif").stat().st_ctime, abs=0.01)
    assert turnaround.arrival([Plate("P2", "S1", "x", "reader", "l")], tmp_path) is None
    path = tmp_path / "turnaround.tsv"
    assert turnaround.record(path, "N1", {"S1": (0.0, 5400.0)}) == {"S1": 1.5}
    assert turnaround.record(path, "N2", {"S1": (0.0, 9000.0)}) == {}
    assert turnaround.record(path, "N3", {"S1": (7200.0, 9000.0)}) == {"S1": 0.5}
    assert path.read_text().splitlines()[1:] == [
        "S1\t1970-01-01T00:00:00Z\t1970-01-01T01:30:00Z\t1.50\tN1",
        "S1\t1970-01-01T02:00:00Z\t1970-01-01T02:30:00Z\t0.50\tN3",
    ]
