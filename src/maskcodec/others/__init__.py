"""Answers of other models: whatever they wrote, as regions."""
