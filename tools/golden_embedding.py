#!/usr/bin/env python3
"""Writes tests/golden/embedding/losses.safetensors: losses on sentence vectors and on rerankers' outputs, with their gradients.

    ../shared/oracle/run python3 tools/golden_embedding.py

PyTorch computes each loss from its definition in double precision, and autograd its gradient; the file has f32. Vectors are random
and not of unit length, groups are of 2 to 4 sequences. For each loss NAME: NAME.loss [1] and NAME.d, of the shape of its input.
"""
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import save_file

TARGET = Path(__file__).resolve().parent.parent / "tests/golden/embedding/losses.safetensors"
D, PAIRS, SIZES, DIMENSIONS = 20, 7, [2, 3, 4, 2, 3, 4], (20, 8, 4)


def starts(sizes):
    return [sum(sizes[:i]) for i in range(len(sizes))]


def contrastive(x, scale, symmetric, sizes=SIZES):
    firsts = starts(sizes)
    anchors = F.normalize(x[firsts], dim=-1)
    others = [f + 1 for f in firsts] + [f + k for f, n in zip(firsts, sizes) for k in range(2, n)]
    scores = scale * anchors @ F.normalize(x[others], dim=-1).T
    target = torch.arange(len(sizes))
    loss = F.cross_entropy(scores, target)
    if symmetric:
        loss = (loss + F.cross_entropy(scores[:, : len(sizes)].T, target)) / 2
    return loss


def order(s, values, scale=20.0):
    terms = [scale * (s[i] - s[j]) for i in range(len(s)) for j in range(len(s)) if values[i] < values[j]]
    return torch.logsumexp(torch.stack([torch.zeros(()).double()] + terms), dim=0)


def cosines(x):
    return F.cosine_similarity(x[0::2], x[1::2], dim=-1)


def angles(x):
    x, y = x[0::2], x[1::2]
    (a, b), (c, d) = x.chunk(2, dim=1), y.chunk(2, dim=1)
    both = (a * c + b * d).sum(1) + (b * c - a * d).sum(1)
    return (both / (x.norm(dim=1) * y.norm(dim=1))).abs()


def triplets(x, margin, cosine):
    apart = (lambda a, b: 1 - F.cosine_similarity(a, b, dim=0)) if cosine else (lambda a, b: (a - b).norm())
    losses = []
    for first, size in zip(starts(SIZES3), SIZES3):
        for n in range(first + 2, first + size):
            losses.append(F.relu(apart(x[first], x[first + 1]) - apart(x[first], x[n]) + margin))
    return torch.stack(losses).mean()


SIZES3 = [3, 4, 3, 3]


def margins(z, values):
    errors = []
    for first, size in zip(starts(SIZES), SIZES):
        for n in range(first + 1, first + size):
            errors.append(((z[first] - z[n]) - (values[first] - values[n])) ** 2)
    return torch.stack(errors).mean()


def lists(z, values):
    losses = []
    for first, size in zip(starts(SIZES), SIZES):
        part = slice(first, first + size)
        losses.append(-(values[part].softmax(0) * z[part].log_softmax(0)).sum())
    return torch.stack(losses).mean()


def main():
    generator = torch.Generator().manual_seed(5)
    draw = lambda *shape: torch.randn(*shape, generator=generator).float().double()
    x, pairs, threes = draw(sum(SIZES), D), draw(2 * PAIRS, D), draw(sum(SIZES3), D)
    values = torch.tensor([0.0, 0.25, 0.5, 0.5, 1.0, 0.75, 0.25]).double()
    z, relevance = 2 * draw(sum(SIZES)), draw(sum(SIZES)).sigmoid().float().double()
    out = {"x": x, "pairs": pairs, "threes": threes, "values": values, "z": z, "relevance": relevance}
    cases = {
        "multiple_negatives": (x, lambda v: contrastive(v, 20.0, False)),
        "symmetric": (x, lambda v: contrastive(v, 5.0, True)),
        "matryoshka": (x, lambda v: sum(contrastive(F.normalize(v[:, :d], dim=-1), 20.0, False) for d in DIMENSIONS)),
        "matryoshka_triplet": (threes, lambda v: sum(triplets(F.normalize(v[:, :d], dim=-1), 0.5, False) for d in (10, 20))),
        "cosent": (pairs, lambda v: order(cosines(v), values)),
        "angle": (pairs, lambda v: order(angles(v), values)),
        "cosine_mse": (pairs, lambda v: F.mse_loss(cosines(v), values)),
        "triplet": (threes, lambda v: triplets(v, 5.0, False)),
        "triplet_cosine": (threes, lambda v: triplets(v, 0.1, True)),
        "binary_cross_entropy": (z, lambda v: F.binary_cross_entropy_with_logits(v, relevance)),
        "margin_mse": (z, lambda v: margins(v, relevance)),
        "list_softmax": (z, lambda v: lists(v, relevance)),
    }
    for name, (given, loss_of) in cases.items():
        given = given.clone().requires_grad_()
        loss = loss_of(given)
        loss.backward()
        out[name + ".loss"], out[name + ".d"] = loss.detach().reshape(1), given.grad
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    save_file({k: v.float().contiguous() for k, v in out.items()}, TARGET)


if __name__ == "__main__":
    main()
