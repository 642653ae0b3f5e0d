"""Bytes a second of one thread, ours beside Hugging Face's, in turns, medians of each. In the reference environment:

    ORACLE python3 tools/tokenizer_parity/speed.py --dump build/…/dump [--rounds 5] [--megabytes 8]

Time is processor time, so that other work on the machine counts for neither.
"""
import argparse
import os
import statistics
import struct
import subprocess
import tempfile
import time
from pathlib import Path

os.environ["TOKENIZERS_PARALLELISM"] = "false"
CASES = [("uncased", "bert-base-uncased-vocab.txt", "lower", "wiki-en/train.txt"), ("cased", "bert-base-cased-vocab.txt", "cased", "wiki-en/train.txt"),
         ("chinese", "bert-base-chinese-vocab.txt", "lower", "weibo/train.tsv"),
         ("multilingual", "bert-base-multilingual-cased-vocab.txt", "cased", "weibo/train.tsv"),
         ("multilingual", "bert-base-multilingual-cased-vocab.txt", "cased", "wiki-en/train.txt")]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dump", required=True)
    parser.add_argument("--shared", type=Path, default=Path(os.environ.get("BERT_SHARED", "../shared")))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--megabytes", type=float, default=8)
    options = parser.parse_args()
    from tokenizers import BertWordPieceTokenizer
    for name, vocab, flags, file in CASES:
        vocab = options.shared / "data/vocab" / vocab
        text = (options.shared / "data" / file).read_bytes()[:int(options.megabytes * 1e6)]
        lines = [line for line in text.decode("utf-8", "ignore").split("\n") if line.strip()]
        data = [line.encode() for line in lines]
        megabytes = sum(map(len, data)) / 1e6
        reference = BertWordPieceTokenizer(str(vocab), lowercase=flags == "lower")
        theirs, ours = [], []
        with tempfile.TemporaryDirectory(dir=Path(options.dump).parent) as folder:
            inputs, outputs = Path(folder) / "in", Path(folder) / "out"
            inputs.write_bytes(b"".join(struct.pack("<I", len(line)) + line for line in data))
            for _ in range(options.rounds):
                start = time.process_time()
                tokens = sum(len(e.ids) for e in reference.encode_batch(lines))
                theirs.append(megabytes / (time.process_time() - start))
                found = subprocess.run([options.dump, str(vocab), flags + ",speed", str(inputs), str(outputs)], check=True, capture_output=True, text=True)
                count, seconds = found.stdout.split()
                if int(count) != tokens:
                    raise SystemExit(f"speed: {count} tokens, the reference has {tokens}")
                ours.append(megabytes / float(seconds))
        a, b = statistics.median(theirs), statistics.median(ours)
        print(f"{name:13} {file:18} {megabytes:5.1f} MB {tokens:9} tokens   Hugging Face {a:7.2f} MB/s   here {b:8.1f} MB/s   {b / a:6.1f} times", flush=True)


if __name__ == "__main__":
    main()
