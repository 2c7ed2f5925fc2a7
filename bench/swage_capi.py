"""swage_capi.py -- Swage through its C ABI, for the scripts that hold it beside PyTorch and Triton."""

import ctypes

DLPACK_CODE = {"f64": (2, 64), "f32": (2, 32), "f16": (2, 16), "bf16": (4, 16), "i64": (0, 64),
               "i32": (0, 32), "i8": (0, 8), "u8": (1, 8), "f8e4m3": (10, 8), "f8e5m2": (12, 8),
               "f8e4m3fnuz": (11, 8), "f8e5m2fnuz": (13, 8), "e8m0": (14, 8),
               "f4e2m1": (17, 4)}
DEVICE_CPU, DEVICE_CUDA = 1, 2
MATH = {None: -1, "accurate": 0, "triton": 1, "fast": 2, "torch": 3}


class DLTensor(ctypes.Structure):
    _fields_ = [
        ("data", ctypes.c_void_p),
        ("device_type", ctypes.c_int32),
        ("device_id", ctypes.c_int32),
        ("ndim", ctypes.c_int32),
        ("code", ctypes.c_uint8),
        ("bits", ctypes.c_uint8),
        ("lanes", ctypes.c_uint16),
        ("shape", ctypes.POINTER(ctypes.c_int64)),
        ("strides", ctypes.POINTER(ctypes.c_int64)),
        ("byte_offset", ctypes.c_uint64),
    ]


class ArgValue(ctypes.Union):
    _fields_ = [
        ("tensor", ctypes.POINTER(DLTensor)),
        ("real", ctypes.c_double),
        ("integer", ctypes.c_int64),
    ]


class Arg(ctypes.Structure):
    _fields_ = [("kind", ctypes.c_int32), ("value", ArgValue)]


class Options(ctypes.Structure):
    _fields_ = [
        ("size", ctypes.c_size_t),
        ("math", ctypes.c_int32),
        ("schedule", ctypes.c_char_p),
        ("file", ctypes.c_char_p),
    ]


class LaunchOptions(ctypes.Structure):
    _fields_ = [
        ("size", ctypes.c_size_t),
        ("workspace", ctypes.c_void_p),
        ("workspace_bytes", ctypes.c_size_t),
        ("valid_rows", ctypes.POINTER(DLTensor)),
    ]


class TuneOptions(ctypes.Structure):
    _fields_ = [
        ("size", ctypes.c_size_t),
        ("budget_seconds", ctypes.c_double),
        ("force", ctypes.c_int32),
        ("keep_private", ctypes.c_int32),
    ]


class TuneResult(ctypes.Structure):
    _fields_ = [
        ("size", ctypes.c_size_t),
        ("schedule", ctypes.c_char * 256),
        ("default_schedule", ctypes.c_char * 256),
        ("seconds", ctypes.c_double),
        ("default_seconds", ctypes.c_double),
        ("spread", ctypes.c_double),
        ("bytes", ctypes.c_int64),
        ("bytes_per_second", ctypes.c_double),
        ("candidates", ctypes.c_int32),
        ("improved", ctypes.c_int32),
    ]


class DeviceInfo(ctypes.Structure):
    _fields_ = [
        ("size", ctypes.c_size_t),
        ("kind", ctypes.c_int32),
        ("index", ctypes.c_int32),
        ("id", ctypes.c_char_p),
        ("name", ctypes.c_char_p),
        ("target", ctypes.c_char_p),
        ("compute_units", ctypes.c_int32),
        ("driver_version", ctypes.c_int32),
        ("memory_bytes", ctypes.c_int64),
        ("cache_bytes", ctypes.c_int64),
        ("peak_bytes_per_second", ctypes.c_double),
    ]


class Swage:
    """The library at `path` and one of its devices. Calls that fail raise RuntimeError."""

    def __init__(self, path, device):
        self.lib = ctypes.CDLL(path)
        pointer, text = ctypes.c_void_p, ctypes.c_char_p
        made = [pointer, text, ctypes.POINTER(text), ctypes.c_size_t, ctypes.POINTER(Options),
                ctypes.POINTER(pointer)]
        signatures = {
            "swage_device_open": [text, ctypes.POINTER(pointer)],
            "swage_device_describe": [pointer, ctypes.POINTER(DeviceInfo)],
            "swage_kernel_from_catalogue": made,
            "swage_kernel_create": [pointer, text] + made[1:],
            "swage_kernel_launch": [pointer, pointer, ctypes.POINTER(Arg), ctypes.c_size_t],
            "swage_kernel_launch_with": [pointer, pointer, ctypes.POINTER(Arg), ctypes.c_size_t,
                                         ctypes.POINTER(LaunchOptions)],
            "swage_kernel_prepare": [pointer, ctypes.POINTER(Arg), ctypes.c_size_t],
            "swage_kernel_tune": [pointer, ctypes.POINTER(Arg), ctypes.c_size_t,
                                  ctypes.POINTER(TuneOptions), ctypes.POINTER(TuneResult)],
        }
        for name, arguments in signatures.items():
            function = getattr(self.lib, name)
            function.argtypes, function.restype = arguments, ctypes.c_int
        self.lib.swage_kernel_destroy.argtypes = [pointer]
        self.lib.swage_kernel_destroy.restype = None
        self.lib.swage_last_error.restype = text
        self.lib.swage_version.restype = text
        self.device = pointer()
        self.check(self.lib.swage_device_open(device.encode(), ctypes.byref(self.device)))

    def check(self, status):
        if status != 0:
            raise RuntimeError(self.lib.swage_last_error().decode())

    def version(self):
        return self.lib.swage_version().decode()

    def describe(self):
        info = DeviceInfo(size=ctypes.sizeof(DeviceInfo))
        self.check(self.lib.swage_device_describe(self.device, ctypes.byref(info)))
        return info

    def kernel(self, name, dtype=None, source=None, math=None, schedule=None):
        """Kernel `name` of the catalogue, or of `source`, with T bound to `dtype`, or with a dict of
        bindings."""
        handle = ctypes.c_void_p()
        bound = dtype if isinstance(dtype, dict) else {"T": dtype} if dtype else {}
        texts = [f"{key}={value}".encode() for key, value in bound.items()]
        bindings = (ctypes.c_char_p * max(1, len(texts)))(*texts)
        options = Options(ctypes.sizeof(Options), MATH[math],
                          schedule.encode() if schedule else None, None)
        tail = (bindings, len(texts), ctypes.byref(options), ctypes.byref(handle))
        if source is None:
            self.check(self.lib.swage_kernel_from_catalogue(self.device, name.encode(), *tail))
        else:
            self.check(self.lib.swage_kernel_create(self.device, source.encode(), name.encode(),
                                                    *tail))
        return handle

    def destroy(self, kernel):
        self.lib.swage_kernel_destroy(kernel)

    def arguments(self, tensors):
        """`tensors`: (address, dtype, shape, strides in elements, device type, device index)."""
        args = (Arg * len(tensors))()
        keep = []
        for i, (address, dtype, shape, strides, kind, index) in enumerate(tensors):
            code, bits = DLPACK_CODE[dtype]
            sizes = (ctypes.c_int64 * len(shape))(*shape)
            steps = (ctypes.c_int64 * len(shape))(*strides)
            tensor = DLTensor(address, kind, index, len(shape), code, bits, 1, sizes, steps, 0)
            args[i].kind = 0
            args[i].value.tensor = ctypes.pointer(tensor)
            keep += [sizes, steps, tensor]
        args.keep = keep
        return args

    def torch_arguments(self, tensors):
        """Arguments from torch tensors on the CPU or a CUDA device."""
        return self.arguments([(t.data_ptr(), torch_dtype_name(t), *torch_layout(t),
                                DEVICE_CUDA if t.is_cuda else DEVICE_CPU, t.device.index or 0)
                               for t in tensors])

    def launch(self, kernel, args, stream=None, valid_rows=None):
        """`valid_rows`: what `arguments` made of one tensor of counts."""
        if valid_rows is None:
            return self.check(self.lib.swage_kernel_launch(kernel, stream, args, len(args)))
        options = LaunchOptions(ctypes.sizeof(LaunchOptions), None, 0, valid_rows[0].value.tensor)
        return self.check(self.lib.swage_kernel_launch_with(kernel, stream, args, len(args),
                                                            ctypes.byref(options)))

    def prepare(self, kernel, args):
        self.check(self.lib.swage_kernel_prepare(kernel, args, len(args)))

    def tune(self, kernel, args, force=False, budget=0.0, keep_private=False):
        options = TuneOptions(ctypes.sizeof(TuneOptions), budget, int(force), int(keep_private))
        result = TuneResult(size=ctypes.sizeof(TuneResult))
        self.check(self.lib.swage_kernel_tune(kernel, args, len(args), ctypes.byref(options),
                                              ctypes.byref(result)))
        return result


def torch_dtype_name(tensor):
    return {"torch.float64": "f64", "torch.float32": "f32", "torch.float16": "f16",
            "torch.bfloat16": "bf16", "torch.int32": "i32", "torch.int64": "i64", "torch.int8": "i8",
            "torch.float8_e4m3fn": "f8e4m3", "torch.float8_e5m2": "f8e5m2",
            "torch.float8_e4m3fnuz": "f8e4m3fnuz", "torch.float8_e5m2fnuz": "f8e5m2fnuz",
            "torch.float8_e8m0fnu": "e8m0", "torch.float4_e2m1fn_x2": "f4e2m1"}[str(tensor.dtype)]


def torch_layout(tensor):
    """Shape and strides in elements, of which PyTorch counts those of four bits in pairs."""
    shape, strides = list(tensor.shape), list(tensor.stride())
    if torch_dtype_name(tensor) == "f4e2m1":
        shape[-1] *= 2
        strides = [2 * stride for stride in strides[:-1]] + [1]
    return tuple(shape), tuple(strides)
