"""buffer_sets.py -- buffers for many launches of one call on a GPU, at places drawn anew."""

import array
import random as random_module
import struct

from measuring import KINDS, is_col
from swage_capi import DEVICE_CUDA, DLPACK_CODE

ALIGNMENT = 512  # what allocators of frameworks give
MOST_GAP = 1 << 20  # between one tensor and the next
TILE_ELEMENTS = 27 * 1024


def align(size):
    return -(-size // ALIGNMENT) * ALIGNMENT


class Tile:
    """Ordinary random numbers of one type, in the GPU's memory, to fill buffers with."""

    def __init__(self, driver, dtype):
        self.driver = driver
        random = random_module.Random(1)
        values = [random.gauss(0, 1) for _ in range(TILE_ELEMENTS)]
        if dtype == "f16":
            data = struct.pack(f"<{TILE_ELEMENTS}e", *values)
        else:
            data = array.array("f", values).tobytes()
        if dtype == "bf16":  # the upper half of an f32
            halves = array.array("H")
            halves.frombytes(data)
            data = halves[1::2].tobytes()
        self.size = len(data)
        self.address = driver.allocate(self.size)
        driver.write(self.address, data)

    def fill(self, address, size):
        filled = min(self.size, size)
        self.driver.copy(address, self.address, filled)
        while filled < size:
            more = min(filled, size - filled)
            self.driver.copy(address + filled, address, more)
            filled += more


class Layout:
    """How the tensors of one call lie: slabs of memory, and in them the tensors. `pitch` elements
    lie between one row and the next, and `offset` before the first; tensors of one row lie alone."""

    def __init__(self, kind, dtype, rows, columns, pitch=0, offset=0):
        self.dtype = dtype
        self.element = DLPACK_CODE[dtype][1] // 8
        kind = KINDS[kind]
        self.places = [None] * len(kind.tensors)  # of each: slab, first element, shape, strides
        sizes = []
        for first, role in enumerate(kind.tensors):
            if self.places[first]:
                continue
            if is_col(role):
                self.places[first] = (len(sizes), 0, (columns,), (1,))
                sizes.append(columns * self.element)
                continue
            tensors = kind.packed if first in kind.packed else (first,)
            stride = len(tensors) * columns + pitch
            for i, tensor in enumerate(tensors):
                self.places[tensor] = (len(sizes), offset + i * columns, (rows, columns), (stride, 1))
            sizes.append((offset + rows * stride) * self.element)
        self.slabs = [align(size) for size in sizes]
        self.bytes = sum(self.slabs)

    def tensors(self, slabs):
        """What swage_capi.Swage.arguments takes, for slabs at these addresses."""
        return [(slabs[slab] + first * self.element, self.dtype, shape, strides, DEVICE_CUDA, 0)
                for slab, first, shape, strides in self.places]


class BufferSets:
    """`count` sets of buffers in one allocation, slabs in a drawn order with drawn gaps between them,
    so that the tensors of a launch lie at distances of all sizes. Filled with random numbers."""

    def __init__(self, driver, tile, layout, count, random):
        self.driver, self.tile = driver, tile
        slots = [(i, slab) for i in range(count) for slab in range(len(layout.slabs))]
        random.shuffle(slots)
        places = [[0] * len(layout.slabs) for _ in range(count)]
        end = 0
        for i, slab in slots:
            gap = random.randrange(min(MOST_GAP, layout.slabs[slab]) // ALIGNMENT + 1)
            places[i][slab] = end + gap * ALIGNMENT
            end = places[i][slab] + layout.slabs[slab]
        self.size = end
        self.base = driver.allocate(end)
        self.sets = [layout.tensors([self.base + place for place in row]) for row in places]
        self.fill()

    def fill(self):
        self.tile.fill(self.base, self.size)

    def free(self):
        self.driver.free(self.base)
