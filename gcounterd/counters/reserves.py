"""Reserves: arrays as long as they may ever become, whose memory comes page by page.

Theory. An array that grows must be copied, and that stalls the loop for as long as it is large.
Zeroed pages cost nothing until they are touched, so what is indexed by row is reserved at its
limit at once. But the pages have to be small: for a large array NumPy asks the kernel for pages
of 2 MiB, and the increment that is first to touch one waits 5 to 12 ms until it is cleared.

This module refuses to know what is kept in the arrays.
"""

from __future__ import annotations

import mmap
from typing import TypeVar

import numpy as np
import numpy.typing as npt

Kind = TypeVar("Kind", bound=np.generic)


def reserve(size: int, kind: type[Kind]) -> npt.NDArray[Kind]:
    """Return `size` zeros of `kind`, writable, no page of which is in memory yet."""
    length = max(1, size * np.dtype(kind).itemsize)
    memory = mmap.mmap(-1, length, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    if hasattr(mmap, "MADV_NOHUGEPAGE"):  # Linux; elsewhere nobody makes large pages unasked
        memory.madvise(mmap.MADV_NOHUGEPAGE)
    return np.frombuffer(memory, kind, count=size)
