"""B-SD: every instance as a label, a box, and its rows drawn with bricks."""
