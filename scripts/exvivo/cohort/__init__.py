"""The facility as a whole: all screens with their verdicts, control charts over plates, drugs across screens, repeats."""
