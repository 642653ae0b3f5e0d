#!/usr/bin/env python3
"""Writes tests/golden/optimizers: ten steps of each optimizer over made-up gradients, and rates of a schedule, in f64.

    ../shared/oracle/run python3 tools/golden_optimizers.py      # the same versions give the same bytes

golden.safetensors: `start.matrix` [9, 23], `start.vector` [23], `gradients.matrix` [10, 9, 23], `gradients.vector` [10, 23] (the third is 0),
and for each NAME of CASES `NAME.matrix` and `NAME.vector` after the last step. SGD is torch.optim's, Adafactor that of transformers;
Lion and LAMB are the formulas of their papers, LAMB with bias correction and without a ratio for the vector, as its authors' program
treats biases. Weight decay is applied to the matrix alone. `one_cycle` [20] are the rates of PyTorch's OneCycleLR.
"""
import pathlib

import torch
from safetensors.torch import save_file
from transformers.optimization import Adafactor

ROOT = pathlib.Path(__file__).resolve().parent.parent / "tests" / "golden" / "optimizers"
STEPS, RATE, DECAY = 10, 0.01, 0.1


def run(start, gradients, make):
    p = [torch.nn.Parameter(x.clone()) for x in start]
    optimizer = make([{"params": [p[0]], "weight_decay": DECAY}, {"params": [p[1]], "weight_decay": 0.0}])
    for step in range(STEPS):
        for x, g in zip(p, gradients): x.grad = g[step].clone()
        optimizer.step()
    return [x.detach() for x in p]


def lion(start, gradients, beta1=0.9, beta2=0.99):
    out = []
    for p, gs, decay in zip(start, gradients, (DECAY, 0.0)):
        p, m = p.clone(), torch.zeros_like(p)
        for g in gs:
            p = p - RATE * ((beta1 * m + (1 - beta1) * g).sign() + decay * p)
            m = beta2 * m + (1 - beta2) * g
        out.append(p)
    return out


def lamb(start, gradients, beta1=0.9, beta2=0.999, epsilon=1e-6):
    out = []
    for p, gs, decay in zip(start, gradients, (DECAY, 0.0)):
        p, m, v = p.clone(), torch.zeros_like(p), torch.zeros_like(p)
        for t, g in enumerate(gs, 1):
            m = beta1 * m + (1 - beta1) * g
            v = beta2 * v + (1 - beta2) * g * g
            r = (m / (1 - beta1 ** t)) / ((v / (1 - beta2 ** t)).sqrt() + epsilon) + decay * p
            p = p - RATE * (p.norm() / r.norm() if p.dim() == 2 else 1.0) * r
        out.append(p)
    return out


CASES = {
    "sgd": lambda groups: torch.optim.SGD(groups, lr=RATE, momentum=0.9),
    "sgd_plain": lambda groups: torch.optim.SGD(groups, lr=RATE),
    "sgd_nesterov": lambda groups: torch.optim.SGD(groups, lr=RATE, momentum=0.9, nesterov=True),
    "adafactor": lambda groups: Adafactor(groups, lr=RATE, scale_parameter=False, relative_step=False),
    "adafactor_scaled": lambda groups: Adafactor(groups, lr=RATE, scale_parameter=True, relative_step=False),
}


def one_cycle(total=20, peak=0.5):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=peak, total_steps=total, pct_start=0.3, cycle_momentum=False)
    rates = []
    for step in range(total):
        rates.append(schedule.get_last_lr()[0])
        optimizer.step()
        if step + 1 < total: schedule.step()
    return torch.tensor(rates, dtype=torch.float64)


def main():
    torch.set_default_dtype(torch.float64)
    generator = torch.Generator().manual_seed(14)
    normal = lambda *shape: torch.randn(*shape, generator=generator).float().double()
    start = [normal(9, 23), normal(23)]
    gradients = [0.3 * normal(STEPS, 9, 23), 0.3 * normal(STEPS, 23)]
    for g in gradients: g[2] = 0
    gradients = [g.float().double() for g in gradients]
    out = {"start.matrix": start[0], "start.vector": start[1], "gradients.matrix": gradients[0], "gradients.vector": gradients[1]}
    results = {name: run(start, gradients, make) for name, make in CASES.items()}
    results |= {"lion": lion(start, gradients), "lamb": lamb(start, gradients)}
    for name, (matrix, vector) in results.items(): out |= {f"{name}.matrix": matrix, f"{name}.vector": vector}
    ROOT.mkdir(parents=True, exist_ok=True)
    out["one_cycle"] = one_cycle()
    save_file({k: v.float().contiguous() for k, v in out.items()}, ROOT / "golden.safetensors")


if __name__ == "__main__": main()
