"""What the image of each well looks like, before anything is scored: empty, unsharp, dirty, unlike the controls.

A flag is one finding on one well: which check, which value, which limit, what follows from it. Nothing here
knows what is in a well: a well in which a drug killed everything is a healthy image.
"""
