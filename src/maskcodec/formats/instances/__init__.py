"""The shared parts of formats of instances: tags, labels, boxes, readers, streams and guides."""
