"""I-SD, I-RLE and R-RLE: the label of every cell."""
