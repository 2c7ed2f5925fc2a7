"""Gradients of operators: derived from the text, or a kernel that the caller named."""

import torch

from ._signature import declarations, signature


class Gradient:
    """The operator of a gradient, and what its arguments and results are to the forward's."""

    def __init__(self, forward, described, name, incoming, outgoing):
        """incoming: the gradient's parameter for an output of the forward kernel; outgoing: for an input.
        """
        from ._operators import Operator  # a circle: gradients are operators

        packed = []
        for first, second, whole in forward.packed:
            if first in described.names("in") and first in forward.signature.names("in"):
                packed.append((first, second, whole))
            for names in (incoming, outgoing):
                if first in names and second in names:
                    packed.append((names[first], names[second], f"d_{whole}"))
        self.operator = Operator(described, forward.space, name, math=forward.math, packed=packed)
        self.incoming = {self.operator.slot(g): forward.slot(f) for f, g in incoming.items()}
        self.outgoing = {forward.slot(f): self.operator.slot(g) for f, g in outgoing.items()}


def _by_name(forward, wanted):
    return ({name: f"d_{name}" for name in forward.names("out")},
            {name: f"d_{name}" for name in wanted})


def _is_gradient(described, forward, wanted):
    """Whether a kernel of the text is what `grad` would derive, by its parameters."""
    incoming, outgoing = _by_name(forward, wanted)
    return (described.names("out") == list(outgoing.values()) and
            described.names("in", "scalar") ==
            list(incoming.values()) + forward.names("in", "scalar"))


def derive(operator, wanted):
    """The gradient for the inputs `wanted`."""
    forward = operator.signature
    if operator.backward_kernel:
        described = signature(forward.source, operator.backward_kernel)
        incoming, outgoing = _by_name(forward, forward.names("in"))
        own = described.names("in", "out")
        return Gradient(operator, described, f"_{operator.name}_backward",
                        {f: g for f, g in incoming.items() if g in own},
                        {f: g for f, g in outgoing.items() if g in own})
    kernel = f"{forward.kernel}_backward"
    if kernel in declarations(forward.source):
        described = signature(forward.source, kernel)
        if _is_gradient(described, forward, wanted):
            return Gradient(operator, described, f"_{operator.name}_gradient",
                            *_by_name(forward, wanted))
    kernel = f"swage_gradient_{'_'.join(wanted)}"
    text = f"{forward.source}\nkernel {kernel} = grad {forward.kernel}({', '.join(wanted)});\n"
    described = signature(text, kernel)
    return Gradient(operator, described, f"_{operator.name}_gradient_{'_'.join(wanted)}",
                    dict(zip(forward.names("out"), described.names("in"))),
                    dict(zip(wanted, described.names("out"))))


def _wanted(operator, needs):
    """Kernel parameters whose gradient is needed, from what autograd says of the arguments."""
    return tuple(p.name for p in operator.signature.parameters
                 if p.role == "in" and needs.get(operator.slot(p.name), False))


def register(operator):
    forward = operator.signature
    constants = [c.name for c in forward.constants]
    tensors = [name for name in operator.inputs if operator.parameter(name).is_tensor]

    def save(ctx, inputs, keyword_only_inputs, output):
        given = dict(zip(operator.inputs, inputs))
        outputs = output if isinstance(output, tuple) else (output,)
        ctx.needed = _wanted(operator, dict(zip(operator.inputs, ctx.needs_input_grad)))
        kept = list(tensors)
        if operator.backward_kernel:
            gradient = operator.gradient(ctx.needed)
            given |= dict(zip(operator.results, outputs))
            kept = [name for name in gradient.operator.inputs
                    if name in given and gradient.operator.parameter(name).is_tensor]
        ctx.kept = kept
        ctx.save_for_backward(*(given[name] for name in kept))
        ctx.scalars = {name: given[name] for name in operator.inputs if name not in tensors}
        ctx.constants = {name: keyword_only_inputs[name] for name in constants
                         if name in keyword_only_inputs}
        ctx.mark_non_differentiable(*(t for t in outputs if not t.is_floating_point()))

    if constants:
        setup = save
    else:
        def setup(ctx, inputs, output):
            save(ctx, inputs, {}, output)

    def backward(ctx, *incoming):
        gradient = operator.gradient(ctx.needed)
        run = gradient.operator
        known = dict(zip(ctx.kept, ctx.saved_tensors)) | ctx.scalars
        arrived = dict(zip(operator.results, incoming))
        own = {c.name for c in run.signature.constants}
        found = run(*(arrived[gradient.incoming[name]] if name in gradient.incoming else known[name]
                      for name in run.inputs),
                    **{name: value for name, value in ctx.constants.items() if name in own})
        found = dict(zip(run.results, found if isinstance(found, tuple) else (found,)))
        return tuple(found.get(gradient.outgoing.get(name)) for name in operator.inputs)

    torch.library.register_autograd(f"{operator.space}::{operator.name}", backward,
                                    setup_context=setup)

