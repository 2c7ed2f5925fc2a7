"""Functions that people already call, under their own names.

    swage.compat.unsloth        the Triton kernels of Unsloth, with their buffer contracts
    swage.compat.liger          LigerSiLUMulFunction, LigerGELUMulFunction; register(), patch()
    swage.compat.transformers   patch(model): the MLPs of LLaMA, Mistral, Qwen, Gemma and Phi-3 shapes
    swage.compat.kernels        layers for Hugging Face's kernels; mapping(), register()
    swage.compat.vllm           silu_and_mul(out, x) and its like; register_ops(), register_providers()

Nothing is changed by importing them. What `patch` or `register` changes is what it returns can undo. A registry
of the other project's is used where it has one.
"""
