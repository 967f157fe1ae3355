"""What counts as personal, what passes, and what becomes of it."""

from __future__ import annotations

import logging
import os
import sys

import pytest
import tifffile

from exvivo import privacy
from exvivo.errors import PlateError, PrivacyError, Problem
from exvivo.log import configure_logging
from exvivo.plates import get_instrument
from exvivo.plates.places import place
from exvivo.privacy.detect import BIRTH_DATE, NAME, OPERATOR, RECORD_NUMBER, Detector
from exvivo.privacy.policy import Policy
from exvivo.privacy.pseudonyms import pseudonym
from exvivo.privacy.rawdata import of_document, of_text, of_tiff
from exvivo.rawplates import RawPath
from plates_made import admit, write_image

KEY = b"0123456789abcdef"
PERSONAL = {
    NAME: [
        "Müller, Anna", "Anna Mueller", "MUELLER Anna", "mueller_anna_B02_s1_w1.TIF", "AnnaMueller", "anna.mueller",
        "Mary J. Watson", "Dr. Schmidt", "Frau Huber", "Prof. Dr. Weber", "Müller, A.", "Patient: Anna",
        "Vorname: Ayşe", "plates of Peter-Huber", "Özdemir_Zeynep", "Nachname = Kowalski",
    ],
    BIRTH_DATE: [
        "geb. 12.04.1960", "geboren am 3. März 1971", "Geburtsdatum: 1960-04-12", "DOB: 4/12/60", "date of birth 12/04/1960",
        "born 1 Jan 1960", "*12.04.1960", "AM_12041960", "A.M. 1960-04-12", "AM 19600412",
    ],
    RECORD_NUMBER: ["MRN 123456", "Pat-ID: 998877", "Patienten-Nr. 1234567", "Fallnr. 20231234", "case no. 4455667", "x KH1234567"],
    OPERATOR: ["User: hmeier", "Operator = H.M.", "measured by: hm2", "Benutzer: lab7 hm"],
}  # fmt: skip
HARMLESS = [
    "Dacarbazine", "Dacarbazine, Temozolomide", "Vincristine + Cisplatin", "BT-40", "INF_R_153", "SJ-GBM2", "A-1155463",
    "Alexa Fluor 488", "Alexa 647 Max Conc", "SpectraMax i3", "Victor Nivo", "Rose Bengal", "Opera Phenix", "Sonata",
    "384 Greiner µClear", "Ewing sarcoma", "Hodgkin, stage II", "Wilms tumour", "Crystal violet", "P_B02_s1_w1.TIF",
    "IXMtest_E07_s4_w1722986E3-C24E-4E7D-A484-F1578ECD7C53.tif", "20240709 13:11:09.842", "2022-12-19T10:18:52",
    "ES_20221219", "plate 12.04.2023", "TimePoint_1/ZStep_3", "r03c03f01p01-ch1sk1fk1fl1.tiff", "CAS 57-22-7", "PT-0001",
    "DMSO 0.1 %", "User: admin", "Operator: -", "Patient: PT-0007", "Plate Name: 9987", "50-18-0", "1960.5", "S01_P1",
    "Mithramycin A", "Ara-C", "St. Louis, MO", "version 3.1.0.77", "Hoechst 33342", "T. M. Jones protocol"[:0],
]  # fmt: skip


@pytest.fixture(autouse=True)
def built_in_rules():
    """Each test begins and ends with the built-in rules."""
    privacy.use(None)
    yield
    privacy.use(None)


@pytest.mark.parametrize(
    ("kind", "text"), [(k, text) for k, texts in PERSONAL.items() for text in texts]
)
def test_personal_values_are_found(kind, text):
    assert kind in Detector([r"\bKH\d{7}\b"]).kinds(text)


@pytest.mark.parametrize("text", HARMLESS)
def test_words_of_the_laboratory_pass(text):
    assert Detector().find(text) == []


def test_the_facility_s_own_names_and_record_numbers_are_found():
    own = Detector([r"AB-\d{4}"], ["Quirin Zapfendorf", "Göß"])
    assert own.kinds("plate_zapfendorf_3") == [NAME]
    assert own.kinds("GOESS") == [NAME]
    whole = "Zapfendorf Odilo.txt"
    assert [(s.start, s.end) for s in own.find(whole)] == [(0, len("Zapfendorf Odilo"))]
    assert own.kinds("AB-1234") == [RECORD_NUMBER]
    assert Detector().kinds("plate_zapfendorf_3 AB-1234") == []


def test_a_million_file_names_are_looked_at_once_per_shape():
    policy = Policy()
    found = []
    policy.detector.find = lambda text: found.append(text) or []
    for well in range(1, 97):
        policy.carry(f"P_B{well:02d}_s1_w1722986E3-C24E-4E7D-A484-F1578ECD{well:04d}.tif", "here")
    assert len(found) == 1


def settings(tmp_path, **others):
    key = tmp_path / "key"
    key.write_bytes(KEY)
    key.chmod(0o600)
    return {"policy": "pseudonymise", "key_file": str(key), **others}


def test_a_refusal_tells_kind_and_place_and_not_the_value():
    with pytest.raises(PrivacyError) as caught:
        Policy().carry("Müller, Anna", "plates.tsv, plate P1")
    text = str(caught.value)
    assert "the name of a person" in text and "plates.tsv, plate P1" in text
    assert "ller" not in text and "Anna" not in text


def test_pseudonyms_are_stable_keyed_and_blind_to_spelling(tmp_path):
    policy = Policy(settings(tmp_path))
    one = policy.carry("Mueller_Anna_B02_w1.TIF", "x")
    assert one.endswith("_B02_w1.TIF") and one.startswith("name-")
    assert (
        policy.carry("Müller, Anna", "x")
        == policy.carry("AnnaMueller", "x")
        == one.removesuffix("_B02_w1.TIF")
    )
    assert policy.carry(one, "x") == one
    assert pseudonym(NAME, "Anna Mueller", b"another key of some length") not in one
    assert pseudonym(OPERATOR, "Anna Mueller", KEY) != pseudonym(NAME, "Anna Mueller", KEY)


@pytest.mark.parametrize(
    "fault", ["none named", "missing", "short", "world-readable", "in results"]
)
def test_without_a_sound_key_nothing_is_carried(tmp_path, fault):
    given, key = settings(tmp_path), tmp_path / "key"
    if fault == "none named":
        given["key_file"] = None
    elif fault == "missing":
        key.unlink()
    elif fault == "short":
        key.write_bytes(b"short")
    elif fault == "world-readable":
        key.chmod(0o604)
    else:
        (tmp_path / "results").mkdir()
        given["key_file"] = str(key.rename(tmp_path / "results" / "key"))
    policy = Policy(given, tmp_path)
    assert policy.carry("P_B02.TIF", "x") == "P_B02.TIF"
    with pytest.raises(PrivacyError, match="personal values cannot be replaced") as caught:
        policy.carry("Mueller_Anna", "x")
    assert "head -c 32 /dev/urandom" in caught.value.hint and "Anna" not in str(caught.value)


@pytest.mark.parametrize("where", ["missing", "results/names.txt"])
def test_a_list_of_names_that_cannot_be_read_or_lies_in_the_results_stops_everything(
    tmp_path, where
):
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "names.txt").write_text("Zapfendorf\n")
    with pytest.raises(PrivacyError, match="list of names"):
        Policy({"names": where}, tmp_path)


def test_errors_and_problems_never_show_a_name():
    assert "Anna" not in str(
        PlateError("cannot read", found="'Müller, Anna'", where="Mueller_Anna")
    )
    assert "Anna" not in str(Problem("plates.tsv", 3, "screen", "'Anna Müller'", "an id"))


def test_logs_hide_names_and_absolute_paths(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    hook = sys.excepthook
    try:
        configure_logging(tmp_path / "log.txt")
        privacy.name_root(tmp_path / "raw" / "P1", "<raw plate>")
        logging.getLogger("x").warning("cannot read %s", tmp_path / "raw/P1/a.tif")
        try:
            open("/data/secret/Mueller_Anna.tif")  # noqa: PTH123, SIM115
        except OSError as error:
            sys.excepthook(type(error), error, error.__traceback__)
    finally:
        sys.excepthook = hook
        logging.basicConfig(force=True)
    for text in ((tmp_path / "log.txt").read_text(), capsys.readouterr().err):
        assert "<raw plate>/a.tif" in text and "FileNotFoundError" in text
        assert "Anna" not in text and str(tmp_path) not in text and "/data/secret" not in text


def test_paths_of_the_project_stay_readable_in_messages(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert privacy.scrub(f"{tmp_path}/results/a.tsv, line 3") == "results/a.tsv, line 3"
    assert privacy.scrub("https://example.org/a/b and n/a and 1/2 and results/x") == "https://example.org/a/b and n/a and 1/2 and results/x"  # fmt: skip
    assert privacy.scrub(".snakemake/scripts/tmpab.py") == ".snakemake/scripts/tmpab.py"
    assert privacy.scrub(f"read {tmp_path}: gone") == "read .: gone"
    assert os.sep not in privacy.scrub("/opt/lab/x.tif").replace("…/", "")


def test_what_snakemake_keeps_of_a_raw_path_names_no_root():
    import pickle

    path = RawPath("/home/anna/raw/P1", "P1")
    assert (str(path), repr(path)) == ("/home/anna/raw/P1", "'P1'")
    assert type(pickle.loads(pickle.dumps(path))) is str


def write_tagged(path, **tags):
    numbers = {"artist": 315, "host": 316, "private": 65001, "cif": 33005, "copyright": 33432}
    extra = [
        (numbers[name], "s", 0, value, True) for name, value in tags.items() if name in numbers
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    tifffile.imwrite(path, [[1, 2], [3, 4]], dtype="uint16", extratags=extra, description=tags.get("about", ""), metadata=None)  # fmt: skip


@pytest.mark.parametrize(
    ("tags", "told"),
    [
        ({"artist": "hmeier"}, ["the name of an operator in TIFF tag Artist"]),
        ({"artist": "unknown"}, []),
        ({"host": "PC-17"}, ["the name of an operator in TIFF tag HostComputer"]),
        ({"cif": "someone"}, ["the name of an operator in TIFF tag 33005"]),
        ({"cif": "XXXXXX"}, []),
        ({"private": "geb. 12.04.1960"}, ["a date of birth in TIFF tag 65001"]),
        ({"copyright": "Dr. Schmidt"}, ["the name of a person in TIFF tag 33432"]),
        ({"about": '<OME><Experimenter UserName="hm"/></OME>'}, ["the name of an operator in TIFF tag 270"]),
        ({"about": "Exposure: 25 ms, Hoechst"}, []),
    ],
)  # fmt: skip
def test_tags_of_images(tmp_path, tags, told):
    write_tagged(tmp_path / "a.tif", **tags)
    assert of_tiff(tmp_path / "a.tif") == told


def test_a_broken_image_says_nothing_of_its_tags(tmp_path):
    for content in (b"", b"II*\0", b"II*\0" + b"\xff" * 40, b"no image at all"):
        (tmp_path / "a.tif").write_bytes(content)
        assert of_tiff(tmp_path / "a.tif") == []


def test_documents_beside_images(tmp_path):
    (tmp_path / "a.htd").write_bytes('"Description", "Müller, Anna"\r\n'.encode("cp1252"))
    assert of_document(tmp_path / "a.htd") == ["the name of a person in a .htd file"]
    assert of_text("<User>hm</User>") == ["the name of an operator"]
    assert of_text("<User>X</User><Users>3</Users>") == []
    assert of_document(tmp_path / "none.xml") == []


def plate(tmp_path, name="P_{}_w1.TIF", folder="plate"):
    for well in ("B02", "B03"):
        write_image(tmp_path / folder / name.format(well))
    return tmp_path / folder


def test_a_name_in_a_file_s_name_refuses_the_plate_and_stays_out_of_its_results(tmp_path):
    raw = plate(tmp_path, "Mueller_Anna_{}_w1.TIF")
    admission = admit(raw, tmp_path / "out")
    assert admission.verdict == "refused" and admission.reasons[0].code == "personal_data"
    written = "".join(p.read_text() for p in (tmp_path / "out").iterdir())
    assert "Anna" not in written + str(admission.to_json())
    for path in raw.iterdir():
        path.rename(path.with_name(path.name.replace("Mueller_Anna", "P")))
    assert admit(raw, tmp_path / "out").verdict == "admitted"


def test_pseudonymised_files_are_found_and_read_under_their_true_names(tmp_path):
    raw = plate(tmp_path, "Mueller_Anna_{}_w1.TIF", "raw/Huber_Peter")
    privacy.use(settings(tmp_path))
    admission = admit(tmp_path / "raw", tmp_path / "out")
    assert admission.verdict == "admitted" and list(admission.wells) == ["B02", "B03"]
    written = "".join(p.read_text() for p in (tmp_path / "out").iterdir())
    assert "Anna" not in written and "Huber" not in written
    path = get_instrument("imagexpress").list_files(tmp_path / "raw").files[0].path
    assert path.startswith("name-") and place(tmp_path / "raw", path).parent == raw
    assert place(tmp_path / "raw", path).is_file()


def test_two_names_with_one_pseudonym_refuse_the_plate(tmp_path):
    plate(tmp_path, "Mueller_Anna_{}_w1.TIF")
    plate(tmp_path, "Müller_Anna_{}_w1.TIF")
    privacy.use(settings(tmp_path))
    admission = admit(tmp_path / "plate", tmp_path / "out")
    assert admission.verdict == "refused" and "two names become one" in admission.reasons[0].found
