"""Compiled loops: numbers in, numbers out.

All arrays are C-contiguous and writable: `uint8` for pixels, cells and text, `int32` for label
numbers and runs, `int64` for indices and records. Other kinds would compile a second version.
A kernel never allocates and never raises: it counts what it found, writes what fits into the
arrays it was given, and leaves the words to Python.

A kernel calls kernels of its own file only, and uses constants of that file only: the disk cache
of Numba does not notice an edit in a file that is imported. A few helpers and constants are
therefore repeated, and a test holds them equal.

A *run* is one number: ``+n`` for n foreground cells, ``-n`` for n background cells, 0 for the
end of a row, ``MAX_RUN + n`` for n more copies of the row above. A *token* is ``(value, start,
stop)``: a run of a brick, or one of the values in `maskcodec.kernels.reading`, and the bytes it
was read from.
"""
