"""Crops: small images centred on one cell each, cut from fields, kept in one store a plate."""

from exvivo.crops.cut import CropSettings, cut_crops, inside, rescale
from exvivo.crops.reader import CropReader
from exvivo.crops.store import CropsWriter, open_crops

__all__ = [
    "CropReader",
    "CropSettings",
    "CropsWriter",
    "cut_crops",
    "inside",
    "open_crops",
    "rescale",
]
