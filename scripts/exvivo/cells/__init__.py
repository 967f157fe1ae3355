"""Cells of a screen: which are whole, what markers and networks call them, and the readouts that follow."""
