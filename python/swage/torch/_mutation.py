"""What an operator changes in place counts as changed: autograd refuses to use what was kept of it before."""

import torch

from ._function import library_of


def register(space, name, overload):
    """`overload`: of the operator `name` ("swiglu.out"), which changes some of its arguments."""
    changed = [i for i, a in enumerate(overload._schema.arguments)
               if a.alias_info is not None and a.alias_info.is_write and not a.kwarg_only]
    named = [a.name for a in overload._schema.arguments
             if a.alias_info is not None and a.alias_info.is_write and a.kwarg_only]

    def count_and_go_on(keys, *args, **kwargs):
        for i in changed:
            torch.autograd.graph.increment_version(args[i])
        for each in named:
            torch.autograd.graph.increment_version(kwargs[each])
        return overload.redispatch(keys & torch._C._after_ADInplaceOrView_keyset, *args, **kwargs)

    def refuse_gradients(keys, *args, **kwargs):
        if torch.is_grad_enabled():
            for value in (*args, *kwargs.values()):
                if torch.is_tensor(value) and value.requires_grad:
                    raise RuntimeError(f"{name} writes to its arguments and has no gradient, and one of them "
                                       "requires one: use the form that gives new tensors, or "
                                       "torch.no_grad()")
        return overload.redispatch(keys & torch._C._after_autograd_keyset, *args, **kwargs)

    library_of(space).impl(name, count_and_go_on, "ADInplaceOrView", with_keyset=True)
    library_of(space).impl(name, refuse_gradients, "Autograd", with_keyset=True)
