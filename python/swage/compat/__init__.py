"""Functions that people already call, under their own names.

    swage.compat.unsloth        the Triton kernels of Unsloth, with their buffer contracts
    swage.compat.liger          LigerSiLUMulFunction, LigerGELUMulFunction; patch()
    swage.compat.transformers   patch(model): the MLPs of LLaMA, Mistral, Qwen, Gemma and Phi-3 shapes
    swage.compat.vllm           silu_and_mul(out, x) and its like

Nothing is changed by importing them. What `patch` changes is what it returns can undo.
"""
