"""A facility's night: find plates, enter them, run the workflow, say what became of every screen."""
