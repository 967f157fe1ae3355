"""A screen for other programs: iTReX, Breeze, and profiles in the manner of pycytominer (docs/exports.md)."""
