"""Gradients of operators: derived from the text, or a kernel that the caller named."""

from torch import library

from ._signature import declarations, signature, spelled


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
    """Tells PyTorch how `operator` differentiates."""
    constants = operator.signature.asked + [spelled(c.name) for c in operator.signature.constants]
    may_be_narrow = bool(operator.signature.asked)
    is_tensor = [operator.parameter(name).is_tensor for name in operator.inputs]
    tensors = [i for i, tensor in enumerate(is_tensor) if tensor]
    scalars = [i for i, tensor in enumerate(is_tensor) if not tensor]
    plans = {}

    def save(ctx, inputs, keyword_only_inputs, output):
        # Every call with a gradient comes here: no more than it takes.
        if operator.backward_kernel:
            ctx.kept = _kept(operator, inputs, output)
            ctx.save_for_backward(*ctx.kept.values())
            ctx.kept = list(ctx.kept)
        else:
            ctx.save_for_backward(*[inputs[i] for i in tensors])
        if may_be_narrow:  # floats of one byte have no gradients
            ctx.mark_non_differentiable(*[t for t in _all(output) if t.element_size() == 1])
        if scalars:
            ctx.scalars = {operator.inputs[i]: inputs[i] for i in scalars}
        if constants:
            ctx.constants = {name: keyword_only_inputs[name] for name in constants
                             if name in keyword_only_inputs}

    def save_without_constants(ctx, inputs, output):
        save(ctx, inputs, {}, output)

    def backward(ctx, *incoming):
        needs = ctx.needs_input_grad
        if needs not in plans:
            plans[needs] = _Plan(operator, needs)
        kept = ctx.kept if operator.backward_kernel else [operator.inputs[i] for i in tensors]
        known = dict(zip(kept, ctx.saved_tensors)) | (ctx.scalars if scalars else {})
        return plans[needs].run(known, incoming, ctx.constants if constants else {})

    library.register_autograd(f"{operator.space}::{operator.name}", backward,
                              setup_context=save if constants else save_without_constants)


class _Plan:
    """What a backward calls for the inputs that need a gradient, and where its results go."""

    def __init__(self, operator, needs):
        wanted = _wanted(operator, dict(zip(operator.inputs, needs)))
        gradient = operator.gradient(None if operator.backward_kernel else wanted)
        for name in wanted:
            if operator.slot(name) not in gradient.outgoing:
                raise RuntimeError(f"'{name}' requires a gradient, and the backward of {operator.name} has "
                                   f"no output d_{name}")
        run = gradient.operator
        self._call = run.op.default
        self._arguments = [(operator.results.index(gradient.incoming[name]), None)
                           if name in gradient.incoming else (None, name) for name in run.inputs]
        self._named = {spelled(c.name) for c in run.signature.constants} | set(run.signature.asked)
        self._places = [run.results.index(gradient.outgoing[name]) if name in gradient.outgoing else None
                        for name in operator.inputs]

    def run(self, known, incoming, constants):
        found = self._call(*[known[name] if i is None else incoming[i] for i, name in self._arguments],
                           **{n: v for n, v in constants.items() if n in self._named})
        found = _all(found)
        return tuple(None if i is None else found[i] for i in self._places)


def _all(output):
    return output if isinstance(output, tuple) else (output,)


def _kept(operator, inputs, output):
    """What a backward that the caller named takes of the forward's inputs and results, by name."""
    given = dict(zip(operator.inputs, inputs))
    given |= dict(zip(operator.results, _all(output)))
    gradient = operator.gradient(None).operator
    return {name: given[name] for name in gradient.inputs
            if name in given and gradient.parameter(name).is_tensor}
