"""What all formats share: configuration, registry, regions and problems."""
