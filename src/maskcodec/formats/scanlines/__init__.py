"""Scanlines: the rows of an instance as the columns at which the colour changes."""
