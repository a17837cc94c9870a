"""Answers on a page that opens anywhere."""
