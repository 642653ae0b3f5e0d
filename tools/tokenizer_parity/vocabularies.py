"""Pieces a word of vocabularies on a text, ours beside one that Hugging Face's trainer learns. In the reference environment:

    ORACLE python3 tools/tokenizer_parity/vocabularies.py --train TEXT --valid TEXT --size 8192 OURS.txt…
"""
import argparse
import time
from pathlib import Path

from tokenizers import BertWordPieceTokenizer


def quality(name, path, lines):
    tokenizer = BertWordPieceTokenizer(str(path), lowercase=True)
    words = pieces = unknown = 0
    for e in tokenizer.encode_batch(lines, add_special_tokens=False):
        pieces += len(e.ids)
        unknown += e.tokens.count("[UNK]")
        words += 1 + e.word_ids[-1] if e.word_ids else 0
    size = sum(1 for _ in open(path, encoding="utf-8"))
    print(f"{name:40} {size:7} pieces {pieces / words:.5f} pieces/word {unknown / words * 1e6:9.1f} [UNK] in a million words")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--train", required=True)
    parser.add_argument("--valid", required=True)
    parser.add_argument("--size", type=int, required=True)
    parser.add_argument("--keep", type=Path, help="where the reference's vocabulary is written, or read if it is there")
    parser.add_argument("ours", nargs="*")
    options = parser.parse_args()
    lines = [line for line in Path(options.valid).read_text(encoding="utf-8").split("\n") if line]
    keep = options.keep or Path("build") / f"reference-{options.size}.txt"
    if not keep.is_file():
        start = time.perf_counter()
        tokenizer = BertWordPieceTokenizer(lowercase=True)
        tokenizer.train(options.train, vocab_size=options.size, min_frequency=2, show_progress=False)
        print(f"reference trained in {time.perf_counter() - start:.1f} s")
        pieces = sorted(tokenizer.get_vocab().items(), key=lambda item: item[1])
        keep.write_text("".join(piece + "\n" for piece, _ in pieces), encoding="utf-8")
    quality("Hugging Face", keep, lines)
    for path in options.ours:
        quality(path, path, lines)


if __name__ == "__main__":
    main()
