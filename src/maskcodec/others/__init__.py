"""Read the answers of other models as regions."""
