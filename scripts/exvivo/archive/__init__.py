"""Raw plates leave: which may go, what is handed to the archive with them, and what holds after they are gone.

Imported at DAG time through `exvivo.archive.register`; the rest is imported where it is used.
"""
