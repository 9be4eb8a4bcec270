"""bfloat16 on a CPU: half the time of a training step where its instructions are, ten times where not."""

from __future__ import annotations

from functools import lru_cache

import torch

_INSTRUCTIONS = ("avx512_bf16", "amx_bf16", "bf16")  # x86, x86, ARM: names of torch.cpu.get_capabilities


@lru_cache(maxsize=1)
def cpu_has_bf16() -> bool:
    """Whether this machine's CPU computes in bfloat16, rather than emulates it."""
    found = torch.cpu.get_capabilities()
    return any(found.get(name, False) for name in _INSTRUCTIONS)


def autocast(device: torch.device, *, on_cpu: bool, on_gpu: bool = False) -> torch.autocast:
    """The precision of the networks that are called inside.

    Args:
        device: where they are.
        on_cpu: bfloat16 if that is a CPU that has it; one that has not computes in full precision.
        on_gpu: bfloat16 if that is a GPU; a network that the loop has wrapped has its precision anyway.
    """
    wanted = on_cpu and cpu_has_bf16() if device.type == "cpu" else on_gpu
    return torch.autocast(device.type, torch.bfloat16, enabled=wanted)
