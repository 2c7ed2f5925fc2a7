"""The autograd.Function of an operator, and the two ways to it: the dispatcher's, and a shorter one from Python.

Every call that keeps something for a gradient comes through here, so all that can be known when an operator is
made is worked out then, and what its backward calls when the first one is.
"""

import functools
import operator as _std

import torch
from torch import library
from torch._C import (_any_requires_grad, _are_functorch_transforms_active, _AutoDispatchBelowAutograd,
                      _after_autograd_keyset, _is_torch_function_mode_enabled, _len_torch_dispatch_stack)
from torch._functorch.utils import enable_single_level_autograd_function
from torch.autograd import forward_ad
from torch.autograd.function import _SingleLevelFunction

from ._signature import spelled

_PLAIN = frozenset((torch.Tensor, torch.nn.Parameter))


def register_without_gradient(operator):
    """Tells PyTorch that results require no gradient, whatever the inputs do: it would only warn, in backward."""
    library_of(operator.space).impl(operator.spelled(), library.fallthrough_kernel, "Autograd")


def register(operator):
    """Tells PyTorch how `operator` differentiates, and returns two functions: one that takes its arguments as
    `operator.op.default` does, and apply((results, named), *inputs), which makes results differentiable that are
    there."""
    op = operator.overload
    apply, apply_level, apply_plain, apply_made = _functions_of(operator)
    redispatch = getattr(op._handle, "redispatch_boxed", op.redispatch)

    def autograd(keys, *inputs, **named):
        is_dual = forward_ad._current_level >= 0 and _is_dual(inputs)
        if is_dual or torch.is_grad_enabled() and _any_requires_grad(*inputs):
            below = functools.partial(redispatch, keys & _after_autograd_keyset)
            if _are_functorch_transforms_active():  # one level of torch.func after the other comes here
                with enable_single_level_autograd_function():
                    return apply_level(below, named, *inputs)
            return apply(below, named, *inputs)
        with _AutoDispatchBelowAutograd():
            return redispatch(keys & _after_autograd_keyset, *inputs, **named)

    library_of(operator.space).impl(operator.spelled(), autograd, "Autograd", with_keyset=True)
    count = len(operator.inputs)
    places = [i for i, name in enumerate(operator.inputs) if operator.parameter(name).is_tensor]

    def call(*inputs, **named):
        # What the dispatcher would find out, for plain tensors when nothing looks on: saves it a way from
        # C++ to Python and back.
        if (len(inputs) != count or torch.compiler.is_compiling() or _are_functorch_transforms_active() or
                _is_torch_function_mode_enabled() or _len_torch_dispatch_stack() or
                forward_ad._current_level >= 0 or torch._C._get_tracing_state() is not None):
            return op(*inputs, **named)
        for i in places:
            if type(inputs[i]) not in _PLAIN:
                return op(*inputs, **named)
        if torch.is_grad_enabled() and _any_requires_grad(*inputs):
            return apply(op, named, *inputs) if named else apply_plain(*inputs)
        with _AutoDispatchBelowAutograd():
            return op(*inputs, **named)

    return call, apply_made


@functools.cache
def library_of(space):
    return library.Library(space, "FRAGMENT")


def _is_dual(inputs):
    return any(torch.is_tensor(value) and forward_ad.unpack_dual(value).tangent is not None
               for value in inputs)


def _functions_of(operator):
    """apply(below, named, *inputs) keeps what a gradient needs and runs `below` of the arguments, which is the operator
    from below autograd on; so does apply_level, for one level of torch.func, and apply_plain(*inputs), where
    nothing is passed by name. apply_made((results, named), *inputs) runs nothing."""
    is_tensor = [operator.parameter(name).is_tensor for name in operator.inputs]
    has_scalars = not all(is_tensor)
    may_be_narrow = bool(operator.signature.asked)
    kept = _Kept(operator, is_tensor) if operator.backward_kernel or has_scalars else None
    keeps_inputs = kept is None and not may_be_narrow
    op, plans = operator.overload, {}

    def keep(ctx, inputs, output):
        if kept is None:
            ctx.save_for_backward(*inputs)
        else:
            kept.save(ctx, inputs, output)
        if may_be_narrow:  # floats of one byte have no gradients
            ctx.mark_non_differentiable(*[t for t in _all(output) if t.element_size() == 1])

    def forward(ctx, below, named, *inputs):
        with _AutoDispatchBelowAutograd():
            output = below(*inputs, **named)
        keep(ctx, inputs, output)
        ctx.named = named
        return output

    def forward_level(ctx, below, named, *inputs):
        with torch.enable_grad(), forward_ad._set_fwd_grad_enabled(True):  # for the levels below
            return forward(ctx, below, named, *inputs)

    def backward(ctx, *incoming):
        return gradients(ctx, incoming, 2, ctx.named)

    def forward_plain(ctx, *inputs):
        with _AutoDispatchBelowAutograd():
            output = op(*inputs)
        keep(ctx, inputs, output)
        return output

    def backward_plain(ctx, *incoming):
        return gradients(ctx, incoming, 0, None)

    def forward_made(ctx, made, *inputs):
        output, named = made
        if named is not None:  # an attribute costs the context a dict
            ctx.named = named
        if keeps_inputs:
            ctx.save_for_backward(*inputs)
        else:
            keep(ctx, inputs, output)
        return output

    def backward_made(ctx, *incoming):
        return gradients(ctx, incoming, 1, getattr(ctx, "named", None))

    def gradients(ctx, incoming, others, named):
        needs = ctx.needs_input_grad  # of `others` that are no inputs of the operator, then of these
        plan = plans.get(needs)
        if plan is None:
            plan = plans[needs] = _Plan(operator, needs[others:], kept, others)
        values = incoming + ctx.saved_tensors
        return plan.run(values + ctx.scalars if has_scalars else values, named)

    def jvp(ctx, *tangents):
        raise NotImplementedError(f"{operator.name} has no forward-mode derivative (torch.func.jvp, dual "
                                  "tensors): use reverse mode, torch.func.vjp or jacrev")

    def function(forward, backward, base=torch.autograd.Function):
        return type(operator.name, (base,), {
            "forward": staticmethod(forward), "backward": staticmethod(backward),
            "jvp": staticmethod(jvp)})

    made = function(forward_made, backward_made)
    # Function.apply asks about torch.func, which whoever made the results has done.
    return (function(forward, backward).apply, function(forward_level, backward, _SingleLevelFunction).apply,
            function(forward_plain, backward_plain).apply, super(torch.autograd.Function, made).apply)


class _Kept:
    """What a forward keeps, where that is not all its inputs and nothing else."""

    def __init__(self, operator, is_tensor):
        self._of_inputs = [i for i, tensor in enumerate(is_tensor) if tensor]
        self._of_results = []
        self._scalars = [i for i, tensor in enumerate(is_tensor) if not tensor]
        self._operator = operator if operator.backward_kernel else None
        self._is_known = not operator.backward_kernel
        self.names = [operator.inputs[i] for i in self._of_inputs]

    def _look(self):
        """A backward that the caller named says what it takes. It is made after the forward is."""
        operator = self._operator
        gradient = operator.gradient(None).operator
        taken = [name for name in gradient.inputs if gradient.parameter(name).is_tensor]
        self._of_inputs = [i for i in self._of_inputs if operator.inputs[i] in taken]
        self._of_results = [i for i, name in enumerate(operator.results) if name in taken]
        self.names = ([operator.inputs[i] for i in self._of_inputs] +
                      [operator.results[i] for i in self._of_results])
        self._is_known = True

    def save(self, ctx, inputs, output):
        if not self._is_known:
            self._look()
        kept = [inputs[i] for i in self._of_inputs]
        if self._of_results:
            results = _all(output)
            kept += [results[i] for i in self._of_results]
        ctx.save_for_backward(*kept)
        if self._scalars:
            ctx.scalars = tuple(inputs[i] for i in self._scalars)


class _Plan:
    """What a backward calls for the inputs that need a gradient, and where its results go."""

    def __init__(self, operator, needs, kept, others):
        wanted = tuple(p.name for p in operator.signature.parameters
                       if p.role == "in" and needs[operator.inputs.index(operator.slot(p.name))])
        gradient = operator.gradient(None if operator.backward_kernel else wanted)
        for name in wanted:
            if operator.slot(name) not in gradient.outgoing:
                raise RuntimeError(f"'{name}' requires a gradient, and the backward of {operator.name} has "
                                   f"no output d_{name}")
        run = gradient.operator
        self._call = run
        # Values are the incoming gradients, what was kept, and scalars.
        known = list(operator.inputs) if kept is None else list(kept.names)
        known += [name for name in operator.inputs if not operator.parameter(name).is_tensor]
        count = len(operator.results)
        places = [operator.results.index(gradient.incoming[name]) if name in gradient.incoming else
                  count + known.index(name) for name in run.inputs]
        self._pick = _picker(places)
        own = {c.name: c.default for c in operator.signature.constants}
        constants = run.signature.constants
        # What a call leaves out is the forward's default, whatever the gradient's is.
        self._defaults = {spelled(c.name): own[c.name] for c in constants
                          if own.get(c.name) is not None and own[c.name] != c.default}
        self._named = {spelled(c.name) for c in constants} | set(run.signature.asked)
        places = {name: i for i, name in enumerate(run.results)}
        self._places = [None] * others + [
            places[gradient.outgoing[name]] if name in gradient.outgoing else None for name in operator.inputs]

    def run(self, values, named):
        if named is None and not self._defaults:
            found = self._call(*self._pick(values))
        else:
            found = self._call(*self._pick(values), **self._defaults | {
                name: value for name, value in (named or {}).items() if name in self._named})
        if not isinstance(found, tuple):
            found = (found,)
        return tuple([None if i is None else found[i] for i in self._places])


def _picker(places):
    if len(places) == 1:
        return lambda values: (values[places[0]],)
    return _std.itemgetter(*places)


def _all(output):
    return output if isinstance(output, tuple) else (output,)
