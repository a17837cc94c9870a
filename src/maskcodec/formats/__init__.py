"""The formats, one folder each, whole: settings, text, ids, guide, grammar."""
