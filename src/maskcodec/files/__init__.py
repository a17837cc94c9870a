"""Read files safely: regular files only, and images in named formats only."""
