"""quantised_kinds.py -- what compare_quantised.py times: kernels of quantised activations, and their tensors."""

import dataclasses

GROUP = 128  # columns that share a scale, where a format does not say


@dataclasses.dataclass(frozen=True)
class Kind:
    """Of a catalogue kernel of gate and up. `scale`: PyTorch's type of the scales, None where one is given;
    `group`: columns that share one, 0 for a whole row; `number`: what a `[tensor]` input holds."""
    kernel: str
    scale: str | None = None
    group: int = 0
    codes: str = "float8_e4m3fn"
    number: float = 0
    bound: dict = dataclasses.field(default_factory=dict)

    def tensors(self, torch, gate_up, number):
        """Inputs and new outputs of the kernel, gate and up being the halves of a tensor."""
        rows, columns = gate_up.shape[0], gate_up.shape[1] // 2
        inputs = [gate_up[:, :columns], gate_up[:, columns:]] + ([number] if self.number else [])
        last = columns // 2 if self.is_packed else columns
        outputs = [torch.empty(rows, last, dtype=getattr(torch, self.codes), device=gate_up.device)]
        if self.scale:
            shape = (rows, columns // self.group) if self.group else (rows,)
            outputs.append(torch.empty(shape, dtype=getattr(torch, self.scale), device=gate_up.device))
        return inputs, outputs

    def moved(self, rows, columns):
        """Bytes that are read and written, scales included."""
        scales = rows * (columns // self.group if self.group else 1) if self.scale else 0
        return rows * columns * (4.5 if self.is_packed else 5) + scales * (4 if self.scale == "float32" else 1)

    @property
    def is_packed(self):
        return self.codes == "float4_e2m1fn_x2"


_F8, _PAIRS = {"T": "bf16", "Q": "f8e4m3"}, "float4_e2m1fn_x2"
KINDS = {
    "tensor": Kind("swiglu_quantised_tensor", number=0.02, bound=_F8 | {"S": "f32"}),
    "row": Kind("swiglu_quantised_row", "float32", bound=_F8),
    "group": Kind("swiglu_quantised_group", "float32", GROUP, bound=_F8),
    "group_e8m0": Kind("swiglu_quantised_group_e8m0", "float8_e8m0fnu", GROUP, bound=_F8),
    "mxfp8": Kind("swiglu_quantised_group_e8m0", "float8_e8m0fnu", 32,
                  bound=_F8 | {"size": 32, "floor_of_maximum": 0}),
    "mxfp4": Kind("swiglu_mxfp4", "float8_e8m0fnu", 32, _PAIRS, bound={"T": "bf16"}),
    "nvfp4": Kind("swiglu_nvfp4", "float8_e4m3fn", 16, _PAIRS, number=100, bound={"T": "bf16"}),
}


def unequal(torch, found, expected):
    """The share of the codes' bytes that differ; results are the codes, or codes and scales."""
    a, b = ((each[0] if isinstance(each, (tuple, list)) else each).contiguous().view(torch.uint8).flatten()
            for each in (found, expected))
    return (a != b).float().mean().item()
