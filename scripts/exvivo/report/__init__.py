"""The report of a screen: one offline HTML file.

`build.build_report` reads what earlier stages wrote (`inputs`), turns it into plain values section by
section (one module each), and renders them with the templates beside. No section computes a score or a
verdict; what is missing is said in its place.
"""
