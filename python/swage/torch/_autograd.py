"""Gradients of operators: derived from the text, or a kernel that the caller named."""

import copy

from ._signature import declarations, signature


class Gradient:
    """The operator of a gradient, and what its arguments and results are to the forward's."""

    def __init__(self, forward, described, name, incoming, outgoing):
        """incoming: the gradient's parameter for an output of the forward kernel; outgoing: for an input.
        """
        packed = []
        for first, second, whole in forward.packed:
            if first in described.names("in") and first in forward.signature.names("in"):
                packed.append((first, second, whole))
            for names in (incoming, outgoing):
                if first in names and second in names:
                    packed.append((names[first], names[second], f"d_{whole}"))
        self.operator = type(forward)(described, forward.space, name, math=forward.math, packed=packed)
        self.incoming = {self.operator.slot(g): forward.slot(f) for f, g in incoming.items()}
        self.outgoing = {forward.slot(f): self.operator.slot(g) for f, g in outgoing.items()}


    def counted(self):
        """The same with counts of rows, which the gradient's operator takes as its forward did."""
        found = copy.copy(self)
        found.operator = self.operator.counted
        return found


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
    """The gradient for the inputs `wanted`; a backward that was named gives what it gives."""
    forward = operator.signature
    if operator.backward_kernel:
        if operator.backward_kernel not in declarations(forward.source):
            raise ValueError(f"the text has no kernel '{operator.backward_kernel}' to be the backward")
        described = signature(forward.source, operator.backward_kernel)
        known = forward.names("in", "out", "scalar") + [f"d_{n}" for n in forward.names("out")]
        for name in described.names("in", "inout", "scalar"):
            if name not in known:
                raise ValueError(f"'{name}' of the backward '{operator.backward_kernel}' is no input or "
                                 f"output of '{forward.kernel}', nor d_ and an output")
        incoming, outgoing = _by_name(forward, forward.names("in"))
        own = described.names("in", "out")
        return Gradient(operator, described, f"_{operator.name}_backward",
                        {f: g for f, g in incoming.items() if g in own},
                        {f: g for f, g in outgoing.items() if g in own})
    kernel = f"{forward.kernel}_backward"
    if operator.of_catalogue and kernel in declarations(forward.source):
        described = signature(forward.source, kernel)
        if _is_gradient(described, forward, wanted):
            return Gradient(operator, described, f"_{operator.name}_gradient",
                            *_by_name(forward, wanted))
    kernel = f"swage_gradient_{'_'.join(wanted)}"
    while kernel in declarations(forward.source):  # the forward is such a gradient itself
        kernel += "_"
    text = f"{forward.source}\nkernel {kernel} = grad {forward.kernel}({', '.join(wanted)});\n"
    described = signature(text, kernel)
    return Gradient(operator, described, f"_{operator.name}_gradient_{'_'.join(wanted)}",
                    dict(zip(forward.names("out"), described.names("in"))),
                    dict(zip(wanted, described.names("out"))))
