#!/usr/bin/env python3
"""Writes tests/golden/formats with PyTorch: one state_dict as torch.save stores it today and as it did before 1.6.

    ../shared/oracle/run python3 tools/golden_formats.py

state.safetensors has the values of every tensor, row-major and each on its own. Needs torch and safetensors.
"""

from collections import OrderedDict
from pathlib import Path

import torch
from safetensors.torch import save_file

FOLDER = Path(__file__).resolve().parent.parent / "tests/golden/formats"


def state():
    draw = torch.Generator().manual_seed(1)
    normal = lambda *shape: torch.randn(*shape, generator=draw)
    whole, shared = normal(6, 8), normal(5, 4)
    tensors = OrderedDict()
    tensors["plain"] = normal(3, 4)
    tensors["transposed"] = normal(20, 33).t()
    tensors["permuted"] = normal(2, 3, 4).permute(2, 0, 1)
    tensors["tied"], tensors["tied_too"] = shared, shared
    tensors["rows"], tensors["columns"], tensors["every_other"] = whole[2:4], whole[:, 3:5], whole[::2, ::3]
    tensors["parameter"] = torch.nn.Parameter(normal(7))
    tensors["half"], tensors["half_transposed"] = normal(5, 3).half(), normal(5, 3).half().t()
    tensors["bfloat"], tensors["double"], tensors["double_transposed"] = normal(9).bfloat16(), normal(2, 2).double(), normal(17, 18).double().t()
    tensors["position_ids"] = torch.arange(16).expand((1, -1))
    tensors["int"], tensors["short"] = torch.arange(-3, 3, dtype=torch.int32), torch.arange(5, dtype=torch.int16)
    tensors["char"], tensors["byte"], tensors["bool"] = torch.tensor([-1, 1], dtype=torch.int8), torch.tensor([255], dtype=torch.uint8), torch.tensor([True, False])
    tensors["scalar"], tensors["empty"] = torch.tensor(2.5), torch.zeros(0, 4)
    return tensors


def main():
    FOLDER.mkdir(exist_ok=True)
    tensors = state()
    torch.save(tensors, FOLDER / "state.bin")
    torch.save(tensors, FOLDER / "state-before-1.6.bin", _use_new_zipfile_serialization=False)
    torch.save(tensors, FOLDER / "state-protocol-4.bin", pickle_protocol=4)
    torch.save(torch.nn.Linear(2, 2), FOLDER / "module.bin")
    save_file({name: t.detach().clone().contiguous() for name, t in tensors.items()}, FOLDER / "state.safetensors", {"format": "pt"})


if __name__ == "__main__":
    main()
