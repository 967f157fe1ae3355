"""Screens with a known answer: plates as an instrument writes them, and the truth beside them.

Used by tests, benchmarks and the demo alone. docs/simulator.md has every parameter with its reason.
"""

from exvivo.simulate.screens import ScreenPlan, simulate_demo, simulate_plate, simulate_screen

__all__ = ["ScreenPlan", "simulate_demo", "simulate_plate", "simulate_screen"]
