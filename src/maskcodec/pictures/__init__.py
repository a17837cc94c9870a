"""Pictures of masks and cells."""
