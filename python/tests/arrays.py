"""arrays.py -- producers of DLPack arrays made by hand, which count what is done to them."""

import ctypes

from swage._structs import CPU, DataType, DLTensor, ManagedVersioned

_api = ctypes.pythonapi
_DESTRUCTOR = ctypes.CFUNCTYPE(None, ctypes.c_void_p)
_DELETER = ctypes.CFUNCTYPE(None, ctypes.c_void_p)
_new = _api.PyCapsule_New
_new.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
_new.restype = ctypes.py_object
_raw_valid = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_char_p)(
    ("PyCapsule_IsValid", _api))
_raw_pointer = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p, ctypes.c_char_p)(
    ("PyCapsule_GetPointer", _api))


class ManagedLegacy(ctypes.Structure):
    _fields_ = [("tensor", DLTensor), ("manager_ctx", ctypes.c_void_p),
                ("deleter", ctypes.c_void_p)]


class Array:
    """f32 at `address`; capsules as a producer of the specification makes them."""

    versioned = True

    def __init__(self, address, shape, device=(CPU, 0), read_only=False, major=1, strides=None,
                 dtype=(2, 32)):
        self.address, self.shape, self.device = address, tuple(shape), device
        self.read_only, self.major = read_only, major
        self.strides, self.dtype = strides, dtype
        self.exported = self.deleted = 0
        self.streams = []
        self._alive = []

    def __dlpack_device__(self):
        return self.device

    def __dlpack__(self, **given):
        if not self.versioned and "max_version" in given:
            raise TypeError("__dlpack__() got an unexpected keyword argument 'max_version'")
        self.streams.append(given.get("stream"))
        self.exported += 1
        return self._capsule()

    def _capsule(self):
        rank = len(self.shape)
        sizes = (ctypes.c_int64 * max(1, rank))(*self.shape)
        steps = (ctypes.c_int64 * max(1, rank))(*self.strides) if self.strides else None
        tensor = DLTensor(self.address, *self.device, rank, DataType(*self.dtype, 1), sizes, steps, 0)
        deleter = _DELETER(lambda _: self._delete())
        pointer = ctypes.cast(deleter, ctypes.c_void_p)
        if self.versioned:
            managed = ManagedVersioned(self.major, 0, None, pointer, int(self.read_only), tensor)
            name = b"dltensor_versioned"
        else:
            managed = ManagedLegacy(tensor, None, pointer)
            name = b"dltensor"
        self._alive.append((sizes, steps, deleter, managed, name))
        return _new(ctypes.addressof(managed), name, ctypes.cast(_destroy, ctypes.c_void_p))

    def _delete(self):
        self.deleted += 1


class LegacyArray(Array):
    """The same by DLPack before 1.0."""

    versioned = False


# As the specification has it: the capsule's destructor calls the deleter unless it was consumed.
@ctypes.PYFUNCTYPE(None, ctypes.c_void_p)
def _destroy(capsule):
    for name, kind in ((b"dltensor_versioned", ManagedVersioned), (b"dltensor", ManagedLegacy)):
        if _raw_valid(capsule, name):
            address = _raw_pointer(capsule, name)
            deleter = kind.from_address(address).deleter
            _DELETER(deleter)(address)


def floats(values, kind=Array, **how):
    """An array over fresh memory of `values`, and that memory."""
    memory = (ctypes.c_float * max(1, len(values)))(*values)
    array = kind(ctypes.addressof(memory), how.pop("shape", (len(values),)), **how)
    array.memory = memory
    return array
