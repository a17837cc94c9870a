"""Compiled loops: numbers in, numbers out.

All arrays are C-contiguous and writable: `uint8` for pixels, cells and text, `int32` for label
numbers and runs, `int64` for indices and records. Other kinds would compile a second version.
A kernel never allocates and never raises. It counts its results, writes those that fit into the
given arrays, and leaves messages to Python.

A kernel only calls kernels of its own file, and only uses constants of that file: Numba's disk
cache does not notice an edit in an imported file. Some helpers and constants are therefore
repeated, and a test checks that they are equal.

A *run* is one number: ``+n`` for n foreground cells, ``-n`` for n background cells, 0 for the
end of a row, ``MAX_RUN + n`` for n more copies of the row above. A *token* is ``(value, start,
stop)``: a run of a brick, or one of the values in `maskcodec.kernels.reading`, and its span of
bytes.
"""
