#!/usr/bin/env python3
"""Writes tests/golden/crf: losses, gradients, marginals and best paths of linear-chain CRFs, by PyTorch in f64.

    ../shared/oracle/run python3 tools/golden_crf.py            # the same versions give the same bytes

The CRF is written out below over logarithms; its gradients and marginals are autograd's. Everything is stored in f32 except
the losses, so that a library in f32 reads the numbers that PyTorch computed with.
"""
import pathlib

import torch
from safetensors.torch import save_file

ROOT = pathlib.Path(__file__).resolve().parent.parent / "tests" / "golden" / "crf"


def bio(tags):
    """Allowed starts, ends and transitions of O, B-0, I-0, B-1, …: I-k follows B-k or I-k alone."""
    start, follow = torch.ones(tags, dtype=torch.bool), torch.ones(tags, tags, dtype=torch.bool)
    for j in range(2, tags, 2):
        start[j] = False
        follow[:, j] = False
        follow[j, j] = follow[j - 1, j] = True
    return start, torch.ones(tags, dtype=torch.bool), follow


def log_normalizer(x, start, end, a):
    alpha = start + x[0]
    for row in x[1:]:
        alpha = torch.logsumexp(alpha[:, None] + a, 0) + row
    return torch.logsumexp(alpha + end, 0)


def score(x, y, start, end, a):
    return start[y[0]] + x[range(len(y)), y].sum() + a[y[:-1], y[1:]].sum() + end[y[-1]]


def viterbi(x, start, end, a):
    best, back = start + x[0], []
    for row in x[1:]:
        most, source = (best[:, None] + a).max(0)
        best = most + row
        back.append(source)
    path = [int((best + end).argmax())]
    for source in reversed(back):
        path.append(int(source[path[-1]]))
    return path[::-1]


def case(seed, tags, lengths, constrained, size):
    g = torch.Generator().manual_seed(seed)
    draw = lambda *shape: (size * torch.randn(*shape, generator=g)).float()
    xs, start, end, a = [draw(t, tags) for t in lengths], draw(tags), draw(tags), draw(tags, tags)
    masks = bio(tags) if constrained else tuple(torch.ones_like(m) for m in bio(tags))
    leaves = [t.double().requires_grad_() for t in (start, end, a)]
    weights = [torch.where(m, w, torch.tensor(-torch.inf, dtype=torch.float64)) for m, w in zip(masks, leaves)]
    emissions = [x.double().requires_grad_() for x in xs]
    gold, best, losses, marginals, total = [], [], [], [], 0.0
    for x in emissions:
        y = []
        while len(y) < len(x):
            j = int(torch.randint(0, tags, (1,), generator=g))
            if masks[0][j] if not y else masks[2][y[-1], j]: y.append(j)
        z = log_normalizer(x, *weights)
        marginals.append(torch.autograd.grad(z, x, retain_graph=True)[0])
        losses.append(z - score(x, torch.tensor(y), *weights))
        gold += y
        best += viterbi(x.detach(), *(w.detach() for w in weights))
    (sum(losses) / len(lengths)).backward()
    number = lambda values: torch.tensor(values, dtype=torch.int32)
    floats = lambda tensors: torch.cat([t.detach().float().reshape(-1) for t in tensors]).contiguous()
    return {
        "lengths": number(lengths), "tags": number(gold), "best": number(best),
        "emissions": floats(xs), "weights": floats([start, end, a]), "allowed": floats([m.float() for m in masks]),
        "losses": torch.stack(losses).detach(), "marginals": floats(marginals),
        "grad.emissions": floats([x.grad for x in emissions]), "grad.weights": floats([w.grad for w in leaves]),
    }


def main():
    torch.set_num_threads(1)
    ROOT.mkdir(parents=True, exist_ok=True)
    tensors = {}
    for name, args in {"bio": (1, 9, [1, 2, 7, 33], True, 1.0), "free": (2, 5, [4, 12, 1], False, 2.0),
                       "large": (3, 17, [20, 3], True, 30.0)}.items():
        for key, value in case(*args).items():
            tensors[f"{name}.{key}"] = value
    save_file(tensors, ROOT / "golden.safetensors")


if __name__ == "__main__":
    main()
