"""bfloat16 on a CPU only where the CPU computes in it: emulated, a training takes ten times as long."""

from __future__ import annotations

import pytest
import torch

from pipeline.training import precision
from pipeline.training.precision import autocast, cpu_has_bf16

CPU = torch.device("cpu")


@pytest.fixture
def instructions(monkeypatch: pytest.MonkeyPatch):
    def have(**found: bool) -> None:
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx2": True, **found})
        cpu_has_bf16.cache_clear()

    yield have
    cpu_has_bf16.cache_clear()


def computed_in(**wanted: bool) -> torch.dtype:
    with autocast(CPU, **wanted):
        return torch.nn.Linear(4, 4)(torch.ones(1, 4)).dtype


@pytest.mark.parametrize("name", ["avx512_bf16", "amx_bf16", "bf16"])
def test_a_cpu_with_bf16_uses_it_if_wanted(instructions, name):
    instructions(**{name: True})
    assert computed_in(on_cpu=True) == torch.bfloat16
    assert computed_in(on_cpu=False, on_gpu=True) == torch.float32


@pytest.mark.parametrize("found", [{}, {"avx512_bf16": False, "avx512_f": True}])
def test_a_cpu_without_bf16_computes_in_full_precision(instructions, found):
    instructions(**found)
    assert computed_in(on_cpu=True) == torch.float32


def test_the_names_are_those_that_torch_tells():
    told = torch.cpu.get_capabilities()
    assert set(precision._INSTRUCTIONS) & set(told), f"torch tells {sorted(told)}"
