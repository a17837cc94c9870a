"""What all formats share: configuration and registry, regions, problems and their positions."""
