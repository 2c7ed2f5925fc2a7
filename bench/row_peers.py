"""row_peers.py -- kernels along the row by PyTorch and by Liger, as peers of benchmarks."""

EPS = 1e-6
LAYER_NORM_EPS = 1e-5


def row_functions(torch):
    """Per kind a function of its inputs, in f32 between input and output, to be compiled."""

    def rms_norm(x, weight):
        wide = x.float()
        scale = torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + EPS)
        return (wide * scale * weight).to(x.dtype)

    def residual(x, residual, weight):
        wide = x.float() + residual.float()
        scale = torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + EPS)
        return wide.to(x.dtype), (wide * scale * weight).to(x.dtype)

    def layer_norm(x, weight, bias):
        return torch.nn.functional.layer_norm(x, weight.shape, weight, bias, LAYER_NORM_EPS)

    def softmax(x):
        return torch.softmax(x, -1)

    def rms_norm_backward(d_y, x, weight):
        wide = x.float()
        scale = torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + EPS)
        d_n, n = d_y.float() * weight, wide * scale
        d_x = scale * (d_n - n * (d_n * n).mean(-1, keepdim=True))
        return d_x.to(x.dtype), (d_y * n).sum(0).to(x.dtype)

    return {"rms_norm": rms_norm, "residual": residual, "layer_norm": layer_norm,
            "softmax": softmax, "rms_norm_backward": rms_norm_backward}


def liger_peer(kind):
    """Liger's functions; the backward pass is given the 1 / rms that its forward pass saves."""
    if kind == "softmax":
        from liger_kernel.ops.softmax import _softmax_forward
        return lambda tensors: _softmax_forward(tensors[0])
    if kind == "layer_norm":
        from liger_kernel.ops.layer_norm import layer_norm_forward
        return lambda tensors: layer_norm_forward(*tensors[:3], LAYER_NORM_EPS)
    if kind == "residual":
        from liger_kernel.ops.fused_add_rms_norm import fused_add_rms_norm_forward
        return lambda tensors: fused_add_rms_norm_forward(*tensors[:3], EPS, 0.0, "llama")
    from liger_kernel.ops.rms_norm import rms_norm_backward, rms_norm_forward
    if kind == "rms_norm":
        return lambda tensors: rms_norm_forward(*tensors[:2], EPS, 0.0, "llama", None)
    saved = []

    def backward(tensors):
        d_y, x, weight = tensors[:3]
        if not saved:  # those of another set take as long
            saved.extend(rms_norm_forward(x, weight, EPS, 0.0, "llama", None)[2:])
        scale, block, warps, mode = saved
        return rms_norm_backward(d_y, x, weight, scale, 0.0, mode, block, warps, False, None)

    return backward
