"""Liger Kernel's functions of the gated activations; tried with Liger Kernel of November 2026, on the CPU.

LigerSiLUMulFunction.apply(a, b), LigerGELUMulFunction.apply(a, b) and LigerFusedGateUpSiLUMulFunction.apply(y)
have Liger's rounding points: the activation is rounded to the type before the product. Inputs need not be
contiguous and are kept as they are, where Liger's backward writes the gradients into them.

Liger has a registry of implementations, and LIGER_KERNEL_IMPL chooses one of them when liger_kernel.ops is
imported. `register()` enters "swage" there:

    from swage.compat import liger
    liger.register()                    # before liger_kernel.transformers is imported; with
    import liger_kernel.transformers    # LIGER_KERNEL_IMPL=swage in the environment it is what Liger takes

`patch()` chooses it without the variable, and also replaces what modules imported before.
"""

import os
import sys

from ._liger_ops import LigerFusedGateUpSiLUMulFunction, LigerGELUMulFunction, LigerSiLUMulFunction
from ._patching import Patch

__all__ = ["LigerFusedGateUpSiLUMulFunction", "LigerGELUMulFunction", "LigerSiLUMulFunction", "patch",
           "register"]

_NAME = "swage"
_OPS = "swage.compat._liger_ops"


def _import_ops(variable):
    """liger_kernel.ops refuses a name that nothing has registered, and its registry is only there once it is
    imported: it is, without the variable."""
    chosen = os.environ.get(variable)
    ours = (chosen or "").strip().lower() == _NAME
    if ours:
        del os.environ[variable]
    try:
        import liger_kernel.ops
        from liger_kernel.ops.backends import registry
    finally:
        if ours:
            os.environ[variable] = chosen
    return liger_kernel.ops, registry


def register():
    """Makes "swage" an implementation in Liger's registry, for CPU and CUDA, and, where LIGER_KERNEL_IMPL
    names it, the one that liger_kernel.ops has from now on. Returns a Patch."""
    patched = Patch()
    ops, registry = _import_ops("LIGER_KERNEL_IMPL")
    if _NAME not in registry.IMPL_REGISTRY:
        registry.register_impl(registry.ImplInfo(name=_NAME, devices=("cuda", "cpu"), module_path=_OPS))
        patched.finally_(lambda: registry.IMPL_REGISTRY.pop(_NAME, None))
    if os.environ.get(registry.LIGER_KERNEL_IMPL_ENV, "").strip().lower() == _NAME:
        _choose(patched, ops, registry)
    return patched


def _choose(patched, ops, registry):
    from liger_kernel.utils import infer_device

    chosen = sys.modules[registry.select_impl(infer_device(), explicit=_NAME).module_path]
    for name in chosen.__all__:
        patched.replace(ops, name, getattr(chosen, name))


def patch():
    """Chooses "swage" among Liger's implementations, and puts its functions in the place of Liger's in every module
    of liger_kernel that is loaded and holds them. Returns a Patch."""
    import liger_kernel.ops.geglu as geglu
    import liger_kernel.ops.swiglu as swiglu

    patched = register()
    ops, registry = _import_ops("LIGER_KERNEL_IMPL")
    replacements = {}
    for module, name in ((swiglu, "LigerSiLUMulFunction"), (swiglu, "LigerFusedGateUpSiLUMulFunction"),
                         (geglu, "LigerGELUMulFunction")):
        for holder in (module, ops):
            if hasattr(holder, name):  # older ones have no fused form
                replacements[id(getattr(holder, name))] = globals()[name]
    _choose(patched, ops, registry)
    for name, module in list(sys.modules.items()):
        if name.split(".")[0] == "liger_kernel" and module is not None:
            for attribute, value in list(vars(module).items()):
                if id(value) in replacements and value is not replacements[id(value)]:
                    patched.replace(module, attribute, replacements[id(value)])
    return patched
