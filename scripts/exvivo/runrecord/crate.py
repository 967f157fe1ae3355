"""The run record as RO-Crate 1.1 (w3id.org/ro/crate): the metadata file that makes a screen's folder a crate.

Written as plain JSON-LD: the library `rocrate` stamps every crate with the present time, and equal records would
not give equal bytes. Tests read what is written here with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

CONTEXT = "https://w3id.org/ro/crate/1.1/context"
FILE_NAME = "ro-crate-metadata.json"
RECORD, REPORT = "run_record.json", "report.html"
_TYPES = {
    "tsv": "text/tab-separated-values",
    "json": "application/json",
    "parquet": "application/vnd.apache.parquet",
    "html": "text/html",
}
_WHAT = {
    "scores.tsv": "Scores: one row per readout and drug",
    "quality.tsv": "Quality metrics with their limits",
    "verdict.json": "Verdict: pass, or hold with reasons",
    "curves.parquet": "Dose–response curves",
    "responses.parquet": "Response of every well",
    RECORD: "Run record: what the results were made from",
    REPORT: "Report of the screen",
}


def crate(record: Mapping[str, Any], published: str) -> dict[str, Any]:
    """RO-Crate metadata of a screen's folder.

    `record` is its run record; `published` a date (ISO 8601), which the format asks for.
    """
    screen, made_from = record["screen"], record["made_from"]
    files = {**record["results"]["files"], RECORD: "", REPORT: ""}
    plates = [_plate(name, entry) for name, entry in made_from["plates"].items()]
    models = [_model(name, entry) for name, entry in made_from["models"].items()]
    layouts = [_given(name, digest, "layout") for name, digest in made_from["layouts"].items()]
    layouts += [
        _given(name, digest, "reference") for name, digest in made_from["reference"].items()
    ]
    inputs = [*plates, *layouts, *models]
    root = {
        "@id": "./",
        "@type": "Dataset",
        "name": f"Screen {screen}",
        "description": f"Results of drug screen {screen}, computed by exvivo. Verdict: {record['results']['verdict']}.",
        "datePublished": published,
        "license": "Access and use as the facility that ran the screen rules",
        "identifier": f"sha256:{record['digest']}",
        "hasPart": [_id(name) for name in files],
        "mentions": [_id("#run")],
    }
    action = {
        "@id": "#run",
        "@type": "CreateAction",
        "name": f"exvivo on screen {screen}",
        "instrument": _id("#exvivo"),
        "object": [_id(entry["@id"]) for entry in inputs],
        "result": [_id(name) for name in files],
    }
    software = {
        "@id": "#exvivo",
        "@type": "SoftwareApplication",
        "name": "exvivo",
        "softwareVersion": made_from["code"]["exvivo"],
        "version": record["execution"]["commit"] or made_from["code"]["exvivo"],
    }
    about = {
        "@id": FILE_NAME,
        "@type": "CreativeWork",
        "conformsTo": _id("https://w3id.org/ro/crate/1.1"),
        "about": _id("./"),
    }
    parts = [_file(name, digest) for name, digest in files.items()]
    return {"@context": CONTEXT, "@graph": [about, root, *parts, action, software, *inputs]}


def _id(name: str) -> dict[str, str]:
    return {"@id": name}


def _file(name: str, digest: str) -> dict[str, Any]:
    entry = {
        "@id": name,
        "@type": "File",
        "name": _WHAT.get(name, name),
        "encodingFormat": _TYPES[name.rsplit(".", 1)[1]],
    }
    return entry | ({"sha256": digest} if digest else {})


def _plate(name: str, entry: Mapping[str, Any]) -> dict[str, Any]:
    digest = {"identifier": f"sha256:{entry['fingerprint']}"} if "fingerprint" in entry else {}
    what = f"Raw plate, instrument {entry['instrument']}; the identifier is that of its fingerprint"
    return {"@id": f"#plate-{name}", "@type": "Dataset", "name": name, "description": what} | digest


def _model(name: str, entry: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "@id": f"#model-{name}",
        "@type": "CreativeWork",
        "name": f"Weights of {name}",
        "identifier": f"sha256:{entry['sha256']}",
    }


def _given(name: str, digest: str, kind: str) -> dict[str, Any]:
    return {
        "@id": f"#{kind}-{name.replace('/', '-')}",
        "@type": "CreativeWork",
        "name": name,
        "identifier": f"sha256:{digest}",
    }
