#!/usr/bin/env python3
"""Writes tests/golden/losses and tests/golden/choice: losses and gradients of PyTorch, and the logits of a BertForMultipleChoice.

    ../shared/oracle/run python3 tools/golden_losses.py      # the same versions give the same bytes

losses/golden.safetensors, for each case NAME of CASES: NAME.loss [1] and NAME.grad, of the mean over all predictions, and
NAME.row [N], the losses that are summed. Focal cases are autograd's, of (1 - p)^gamma times PyTorch's loss.
choice/ is a checkpoint with golden.safetensors beside it: `eval.` as tools/golden.py writes it, `eval.groups` (the first sequence of
each example, and the end), `eval.logits` [S, 1], `loss.total` [1] and `grad.classifier.weight`.
"""
import pathlib
import shutil

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from transformers import BertConfig, BertForMultipleChoice

import golden as base

ROOT = pathlib.Path(__file__).resolve().parent.parent / "tests" / "golden"
ROWS, CLASSES, LABELS = 7, 19, 6
CASES = {  # smoothing, weights, gamma
    "plain": (0.0, False, 0.0), "smoothed": (0.1, False, 0.0), "weighted": (0.0, True, 0.0), "both": (0.2, True, 0.0),
    "focal": (0.0, False, 2.0), "focal_half": (0.0, True, 0.5), "all": (0.1, True, 1.5),
}


def class_losses(out, generator):
    logits = 2 * torch.randn(ROWS, CLASSES, generator=generator)
    targets = torch.randint(0, CLASSES, (ROWS,), generator=generator)
    targets[3] = -100
    weights = 0.2 + 2 * torch.rand(CLASSES, generator=generator)
    out |= {"logits": logits, "weights": weights, "targets": torch.where(targets < 0, -1, targets).int()}
    kept = targets >= 0
    for name, (smoothing, weighted, gamma) in CASES.items():
        z = logits.clone().requires_grad_()
        w = weights if weighted else None
        rows = F.cross_entropy(z, targets, weight=w, label_smoothing=smoothing, reduction="none")
        if gamma: rows = (1 - z.softmax(-1).gather(1, targets.clamp(min=0)[:, None])[:, 0]) ** gamma * rows
        loss = rows[kept].sum() / (w[targets[kept]].sum() if weighted else kept.sum())
        if not gamma:
            assert torch.allclose(loss, F.cross_entropy(z, targets, weight=w, label_smoothing=smoothing, reduction="mean"))
        loss.backward()
        out |= {f"{name}.loss": loss.detach()[None], f"{name}.row": rows.detach(), f"{name}.grad": z.grad}


def binary_losses(out, generator):
    logits = 3 * torch.randn(ROWS, LABELS, generator=generator)
    targets = (torch.rand(ROWS, LABELS, generator=generator) < 0.3).float()
    weights = 0.5 + 3 * torch.rand(LABELS, generator=generator)
    out |= {"many.logits": logits, "many.targets": targets, "many.weights": weights}
    for name, w in (("many.plain", None), ("many.weighted", weights)):
        z = logits.clone().requires_grad_()
        loss = torch.nn.BCEWithLogitsLoss(pos_weight=w)(z, targets)
        loss.backward()
        out |= {f"{name}.loss": loss.detach()[None], f"{name}.grad": z.grad}


def value_losses(out, generator):
    y, values = torch.randn(ROWS, generator=generator), 2 * torch.randn(ROWS, generator=generator)
    out |= {"values.y": y, "values.targets": values}
    for name, loss_of in (("mse", torch.nn.MSELoss()), ("mae", torch.nn.L1Loss()), ("huber", torch.nn.HuberLoss(delta=0.75))):
        z = y.clone().requires_grad_()
        loss = loss_of(z, values)
        loss.backward()
        out |= {f"{name}.loss": loss.detach()[None], f"{name}.grad": z.grad}


def choice():
    folder = ROOT / "choice"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    generator = torch.Generator().manual_seed(7)
    config = BertConfig(vocab_size=101, hidden_size=24, num_hidden_layers=1, num_attention_heads=3, intermediate_size=30,
                        max_position_embeddings=32, attn_implementation="eager")
    model = BertForMultipleChoice(config).eval()
    base.randomize(model, generator)
    model.save_pretrained(folder)
    batch = base.Batch([5, 9, 3, 12, 12, 7, 1, 20, 6], 101, generator)
    groups, right = [0, 2, 5, 9], [1, 0, 3]
    logits = torch.cat([model(input_ids=i[None, None], token_type_ids=s[None, None]).logits for i, s in zip(batch.ids, batch.segments)])
    loss = torch.stack([F.cross_entropy(logits[a:b].T, torch.tensor([r])) for a, b, r in zip(groups, groups[1:], right)]).mean()
    loss.backward()
    labels = torch.zeros(len(batch.lengths))
    for a, r in zip(groups, right): labels[a + r] = 1
    given = {k: v for k, v in batch.tensors("eval.").items() if k.split(".")[1] in ("ids", "segments", "lengths")}
    save_file(given | {"eval.groups": torch.tensor(groups).int(), "eval.labels": labels.int(), "eval.logits": logits.detach(),
                       "loss.total": loss.detach()[None], "grad.classifier.weight": model.classifier.weight.grad},
              folder / "golden.safetensors")


if __name__ == "__main__":
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    (ROOT / "losses").mkdir(parents=True, exist_ok=True)
    out, generator = {}, torch.Generator().manual_seed(11)
    for write in (class_losses, binary_losses, value_losses): write(out, generator)
    save_file({k: v.contiguous() for k, v in out.items()}, ROOT / "losses" / "golden.safetensors")
    choice()
