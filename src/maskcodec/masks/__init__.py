"""Pixels, runs, polygons and cells."""
