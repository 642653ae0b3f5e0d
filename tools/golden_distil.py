#!/usr/bin/env python3
"""Writes tests/golden/losses/distil.safetensors: losses of distillation and their gradients, of PyTorch in double.

    ../shared/oracle/run python3 tools/golden_distil.py      # the same versions give the same bytes

Inputs are f32, losses F64 [1]; NAME.grad… is the gradient of NAME.loss. Sequences lie end to end, `lengths` tokens each. No padding:
each sequence is given alone, a mean is over all tokens (scores: all pairs of tokens) and heads of the batch.

    labels.z, .u [7, 19], decisions.z, .u [7, 6], span.z, .u [N, 2]     logits of student and teacher; T = 2.5
    hidden.x [N, 20], .y [N, 28], .w [28, 20], .b [28]                  TinyBERT: mean squared error of x W^T + b
    cosine.x, .y [N, 20]                                                CosineEmbeddingLoss with targets of 1
    relations.s [N, 3 * 24], .t [N, 3 * 40]                             q | k | v; scores (TinyBERT), v1 and v2 (MiniLM) of 4 heads
"""
import pathlib

import torch
import torch.nn.functional as F
from safetensors.torch import save_file

ROOT = pathlib.Path(__file__).resolve().parent.parent / "tests" / "golden" / "losses"
T, HEADS, LENGTHS = 2.5, 4, [5, 1, 19]
N = sum(LENGTHS)


def keep(out, name, loss, **leaves):
    loss.backward()
    out[f"{name}.loss"] = loss.detach()[None]
    for leaf, tensor in leaves.items():
        out[f"{name}.grad.{leaf}"] = tensor.grad.float()


def soft(z, u, dim=-1):
    return T * T * F.kl_div((z / T).log_softmax(dim), (u / T).softmax(dim), reduction="none").sum(dim)


def yes_or_no(z, u):
    p, q = (z / T).sigmoid(), (u / T).sigmoid()
    return T * T * (q * (q.log() - p.log()) + (1 - q) * ((1 - q).log() - (1 - p).log()))


def heads_of(x, heads):
    return x.unflatten(-1, (heads, -1)).transpose(0, 1)  # [heads, tokens, columns]


def scores(x, y, heads):
    x, y = heads_of(x, heads), heads_of(y, heads)
    return x @ y.transpose(1, 2) / x.shape[-1] ** 0.5


def relation(s, t, a, b, heads):
    """KL(teacher || student) of the relations of projections a and b, the mean over tokens and heads."""
    total = 0
    for x, y in zip(s.split(LENGTHS), t.split(LENGTHS)):
        x, y = x.chunk(3, -1), y.chunk(3, -1)
        p, q = scores(x[a], x[b], heads).log_softmax(-1), scores(y[a], y[b], heads).softmax(-1)
        total = total + F.kl_div(p, q, reduction="sum")
    return total / (N * heads)


def squared_scores(s, t, heads):
    total = 0
    for x, y in zip(s.split(LENGTHS), t.split(LENGTHS)):
        x, y = x.chunk(3, -1), y.chunk(3, -1)
        total = total + F.mse_loss(scores(x[0], x[1], heads), scores(y[0], y[1], heads), reduction="sum")
    return total / (heads * sum(n * n for n in LENGTHS))


def main():
    g, out = torch.Generator().manual_seed(23), {"lengths": torch.tensor(LENGTHS).int()}

    def made(name, *shape, by=2.0):
        out[name] = by * torch.randn(*shape, generator=g)
        return out[name].double().requires_grad_()

    z, u = made("labels.z", 7, 19), made("labels.u", 7, 19).detach()
    keep(out, "labels", soft(z, u).mean(), z=z)
    z, u = made("decisions.z", 7, 6), made("decisions.u", 7, 6).detach()
    keep(out, "decisions", yes_or_no(z, u).mean(), z=z)
    z, u = made("span.z", N, 2), made("span.u", N, 2).detach()
    keep(out, "span", torch.stack([soft(a, b, 0).mean() for a, b in zip(z.split(LENGTHS), u.split(LENGTHS))]).mean(), z=z)
    x, y, w, b = made("hidden.x", N, 20), made("hidden.y", N, 28).detach(), made("hidden.w", 28, 20, by=0.2), made("hidden.b", 28)
    keep(out, "hidden", F.mse_loss(F.linear(x, w, b), y), x=x, w=w, b=b)
    x, y = made("cosine.x", N, 20), made("cosine.y", N, 20).detach()
    keep(out, "cosine", F.cosine_embedding_loss(x, y, torch.ones(N)), x=x)
    s, t = made("relations.s", N, 72, by=1.0), made("relations.t", N, 120, by=1.0).detach()
    for name, loss in (("scores", lambda: squared_scores(s, t, HEADS)),
                       ("v1", lambda: relation(s, t, 0, 1, HEADS) + relation(s, t, 2, 2, HEADS)),
                       ("v2", lambda: sum(relation(s, t, i, i, HEADS) for i in range(3)))):
        s.grad = None
        keep(out, name, loss(), s=s)
    save_file({k: v.detach().contiguous() for k, v in out.items()}, ROOT / "distil.safetensors")


if __name__ == "__main__":
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    main()
