"""Learns vocabularies of several sizes from a text, with Hugging Face's trainer and with ours, and prints of each the time, the peak of
memory and the pieces a word on another text, all counted by Hugging Face's tokenizer. Started by

    tools/tokenizer_parity/run vocabularies [--sizes 8192 30522] [--train TEXT] [--valid TEXT]

Both use two threads. Every trainer is a process of its own; its memory is the largest resident set.
"""
import argparse
import os
import sys
import time
from pathlib import Path

os.environ.setdefault("RAYON_NUM_THREADS", "2")
OURS = [("pair counts, `.surplus = 0`", "pair_counts", "0"), ("pair counts (default)", "pair_counts", "0.25"),
        ("likelihood gain, `.surplus = 0`", "likelihood_gain", "0"), ("likelihood gain", "likelihood_gain", "0.25")]


def learn_reference(text, size, output):
    from tokenizers import BertWordPieceTokenizer
    tokenizer = BertWordPieceTokenizer(lowercase=True)
    tokenizer.train(text, vocab_size=size, min_frequency=2, show_progress=False)
    pieces = sorted(tokenizer.get_vocab().items(), key=lambda item: item[1])
    Path(output).write_text("".join(piece + "\n" for piece, _ in pieces), encoding="utf-8")


def watched(command):
    """Runs a command; (seconds, peak of memory in MB)."""
    start = time.perf_counter()
    process = os.posix_spawnp(command[0], command, os.environ)
    _, status, usage = os.wait4(process, 0)
    if status != 0:
        raise SystemExit(f"vocabularies: {command[0]} failed")
    return time.perf_counter() - start, usage.ru_maxrss / 1024


def quality(path, lines):
    """(pieces, pieces a word, [UNK] in a million words)"""
    from tokenizers import BertWordPieceTokenizer
    tokenizer = BertWordPieceTokenizer(str(path), lowercase=True)
    words = pieces = unknown = 0
    for e in tokenizer.encode_batch(lines, add_special_tokens=False):
        pieces += len(e.ids)
        unknown += e.tokens.count("[UNK]")
        words += 1 + e.word_ids[-1] if e.word_ids else 0
    size = sum(1 for _ in open(path, encoding="utf-8"))
    return size, pieces / words, unknown / words * 1e6


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    shared = Path(os.environ.get("BERT_SHARED", "../shared"))
    parser.add_argument("--trainer", required=True, help="the program that train.cpp is")
    parser.add_argument("--shared", type=Path, default=shared)
    parser.add_argument("--train", type=Path)
    parser.add_argument("--valid", type=Path)
    parser.add_argument("--sizes", type=int, nargs="+", default=[8192, 30522])
    parser.add_argument("--reference", nargs=3, help=argparse.SUPPRESS)  # TEXT SIZE OUTPUT: what the process of its own does
    options = parser.parse_args()
    if options.reference:
        text, size, output = options.reference
        return learn_reference(text, int(size), output)
    train = options.train or options.shared / "data/wiki-en/train.txt"
    valid = options.valid or options.shared / "data/wiki-en/valid.txt"
    lines = [line for line in valid.read_text(encoding="utf-8").split("\n") if line]
    folder = Path(options.trainer).parent
    print("| pieces | trainer | time | peak of memory | pieces a word | [UNK] in a million words |\n|---|---|---|---|---|---|")
    for size in options.sizes:
        path = folder / f"vocabulary-{size}.txt"
        commands = [("Hugging Face, BertWordPieceTokenizer.train",
                     [sys.executable, __file__, "--trainer", options.trainer, "--reference", str(train), str(size), str(path)])]
        commands += [(name, [options.trainer, str(train), str(size), scoring, surplus, str(path)]) for name, scoring, surplus in OURS]
        for name, command in commands:
            seconds, megabytes = watched(command)
            pieces, rate, unknown = quality(path, lines)
            print(f"| {pieces:,} | {name} | {seconds:.1f} s | {megabytes:.0f} MB | {rate:.4f} | {unknown:.1f} |", flush=True)
    return None


if __name__ == "__main__":
    main()
