"""Profiles: one row per well, what is known of it in columns `Metadata_…`, as pycytominer expects them, then numbers."""

from __future__ import annotations

import pandas as pd

from exvivo.exports.screen import Screen

_WELL = ["plate", "well"]


def profiles(screen: Screen) -> pd.DataFrame:
    """One row per well of the layout.

    Columns: `Metadata_Screen`, `_Plate`, `_Well`, `_Role`, `_Treatment`, `_Concentration_nM`, `_Replicate`, `_AddOn`, `_Sample`,
    `_Flag`; per readout `readout_…` (its own unit) and `viability_…` (fraction, of wells that count); and `phaseN_f0000`, … the
    penultimate layer of the screen's last network phase, mean over fields.
    """
    layout = screen.layout
    table = pd.DataFrame(
        {
            "Metadata_Screen": screen.name,
            "Metadata_Plate": layout["plate"],
            "Metadata_Well": layout["well"],
            "Metadata_Role": layout["role"],
            "Metadata_Treatment": layout["treatment"],
            "Metadata_Concentration_nM": layout["concentration"],
            "Metadata_Replicate": layout["replicate"],
            "Metadata_AddOn": layout["addon"],
            "Metadata_Sample": layout["sample"],
        }
    ).set_index(layout[_WELL].apply(tuple, axis=1) if len(layout) else layout.index)
    table["Metadata_Flag"] = _flags(screen).reindex(table.index).fillna("")
    for readout in screen.readouts:
        own = screen.responses[screen.responses["readout"] == readout].set_index(_WELL)
        own.index = own.index.to_flat_index()
        table[f"readout_{readout}"] = own["value"].reindex(table.index).astype(float)
        table[f"viability_{readout}"] = own["viability"].where(own["used"]).reindex(table.index)
    if screen.features is not None and len(screen.features):
        features = screen.features.groupby(_WELL).mean().add_prefix(f"phase{screen.phase}_")
        features.index = features.index.to_flat_index()
        table = table.join(features)
    return table.reset_index(drop=True)


def _flags(screen: Screen) -> pd.Series:
    """Flags of each well, those of all readouts joined."""
    flagged = screen.responses[screen.responses["flag"] != ""]
    joined = flagged.groupby(_WELL)["flag"].agg(lambda flags: ";".join(dict.fromkeys(flags)))
    joined.index = joined.index.to_flat_index()
    return joined
