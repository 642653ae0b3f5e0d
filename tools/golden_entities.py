#!/usr/bin/env python3
"""Writes tests/golden/metrics/entities.jsonl: made-up tags with the entity counts that seqeval's rules give.

    tools/golden_entities.py [--check]

Needs Python alone. The counting here is written from the rules, apart from the library's: the lenient mode asks of every pair of
words whether an entity runs from one to the other, the strict mode matches regular expressions. --check writes nothing and exits
with 1 if the file differs.
"""

import argparse
import json
import random
import re
import sys
from pathlib import Path

TARGET = Path(__file__).resolve().parent.parent / "tests/golden/metrics/entities.jsonl"
LETTERS = {"bio": "BIO", "iobes": "BIOES", "bmes": "BMESO"}


def parts(tag):
    rest = tag[1:]
    return tag[0], rest.split("-", 1)[-1] or "_"


def ends(a, b):
    (x, s), (y, t) = a, b
    return x in "ES" or (x in "BI" and y in "BSO") or (x != "O" and s != t)


def begins(a, b):
    (x, s), (y, t) = a, b
    return y in "BS" or (y in "EI" and x in "ESO") or (y != "O" and s != t)


def lenient(sentences):
    """All (type, first, last): first is the last beginning at or before the word that ends one."""
    tags = [parts(t) for s in sentences for t in s + ["O"]]
    pairs = list(zip([("O", "_")] + tags, tags))
    starts = [i for i, (a, b) in enumerate(pairs) if begins(a, b)]
    found = set()
    for i, (a, b) in enumerate(pairs):
        if ends(a, b):
            found.add((a[1], max([s for s in starts if s < i], default=0), i - 1))
    return found


def strict(sentences, style):
    """None if a letter is not of the scheme."""
    found, base = set(), 0
    for sentence in sentences:
        if any(t[0] not in ("BIO" if style == "bio" else "BIOES") for t in sentence):
            return None
        types = [t[1:].strip("-") or "_" for t in sentence]
        for first in range(len(sentence)):
            for last in range(first, len(sentence)):
                letters = "".join(t[0] for t in sentence[first : last + 1])
                after = sentence[last + 1][0] if last + 1 < len(sentence) else "O"
                goes_on = after in "IE" and last + 1 < len(sentence) and types[last + 1] == types[first]
                whole = re.fullmatch("BI*" if style == "bio" else "BI*E|S", letters) and len(set(types[first : last + 1])) == 1
                if whole and not (style == "bio" and goes_on):
                    found.add((types[first], base + first, base + last))
        base += len(sentence) + 1
    return found


def scores(gold, predicted):
    def prf(g, p):
        right = len(g & p)
        a, b = right / len(p) if p else 0.0, right / len(g) if g else 0.0
        return [a, b, 2 * a * b / (a + b) if a + b else 0.0]

    types = {}
    for name in sorted({e[0] for e in gold | predicted}):
        g, p = {e for e in gold if e[0] == name}, {e for e in predicted if e[0] == name}
        types[name] = prf(g, p) + [len(g)]
    rows, support = list(types.values()), sum(r[3] for r in types.values())
    macro = [sum(r[k] for r in rows) / len(rows) for k in range(3)] if rows else None
    weighted = [sum(r[k] * r[3] for r in rows) / support if support else 0.0 for k in range(3)]
    return {"types": types, "micro": prf(gold, predicted), "macro": macro, "weighted": weighted}


def case(number, style, kind, gold, predicted):
    m_as_i = lambda all: [[("I" + t[1:]) if t[0] == "M" else t for t in s] for s in all]
    g, p = (m_as_i(gold), m_as_i(predicted)) if style == "bmes" else (gold, predicted)
    both = [(a, b) for s, t in zip(gold, predicted) for a, b in zip(s, t)]
    sg, sp = strict(g, style), strict(p, style)
    out = {
        "id": number, "style": style, "kind": kind, "gold": gold, "pred": predicted,
        "accuracy": sum(a == b for a, b in both) / len(both) if both else None,
        "default": scores(lenient(gold), lenient(predicted)),
        "strict": None if sg is None or sp is None else scores(sg, sp),
    }
    if style == "bmes":
        out["default_m_as_i"] = scores(lenient(g), lenient(p))
    return out


def cases():
    rng = random.Random(11)
    number = 0
    for style, letters in LETTERS.items():
        for kind in ["random"] * 9 + ["near"] * 5 + ["bare", "foreign"]:
            types = rng.sample(["PER", "LOC", "X-Y", "A-", "ORG"], 2)

            def tag():
                if kind == "foreign" and rng.random() < 0.2:
                    return rng.choice("QZ") + "-" + types[0]
                letter = rng.choice(letters)
                return letter if letter == "O" or kind == "bare" else letter + "-" + rng.choice(types)

            gold = [[tag() for _ in range(rng.randrange(0, 9))] for _ in range(rng.randrange(1, 5))]
            change = 0.25 if kind == "near" else 0.6
            predicted = [[tag() if rng.random() < change else t for t in s] for s in gold]
            yield case(number, style, kind, gold, predicted)
            number += 1
    for gold, predicted in [([["O", "O"]], [["O", "O"]]), ([[]], [[]]), ([["B-A"], []], [["I-A"], []])]:
        yield case(number, "bio", "edge", gold, predicted)
        number += 1


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--check", action="store_true", help="compare with the file instead of writing it")
    check = parser.parse_args().check
    text = "".join(json.dumps(c, separators=(",", ":")) + "\n" for c in cases())
    if check:
        sys.exit(0 if TARGET.exists() and TARGET.read_text() == text else f"{TARGET} differs; run tools/golden_entities.py")
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    TARGET.write_text(text)


if __name__ == "__main__":
    main()
