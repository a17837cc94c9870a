"""Polygons: an instance as the vertices of its outlines."""
