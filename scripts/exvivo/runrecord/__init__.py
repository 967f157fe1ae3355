"""The run record of a screen: what its results were made from, by what, and when (JSON, and RO-Crate from it)."""
