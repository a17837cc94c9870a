"""What formats of instances share: tags, labels, boxes, readers, streams and guides."""
