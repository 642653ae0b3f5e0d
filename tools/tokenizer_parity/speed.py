"""Bytes a second of one thread, ours beside Hugging Face's, in turns, medians of each. Started by

    tools/tokenizer_parity/run speed [--rounds 5] [--megabytes 4]

Hugging Face's encode_batch always makes all of an encoding: ids, words, segments, the mask of special tokens, places in code points. Ours
does so four times: ids alone; full encodings with places in bytes; in code points; in code points into an encoding that is used again.
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
         ("Chinese", "bert-base-chinese-vocab.txt", "lower", "weibo/train.tsv"),
         ("multilingual", "bert-base-multilingual-cased-vocab.txt", "cased", "weibo/train.tsv"),
         ("multilingual", "bert-base-multilingual-cased-vocab.txt", "cased", "wiki-en/train.txt")]
WAYS = ("ids", "bytes", "code points", "used again")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dump", required=True)
    parser.add_argument("--shared", type=Path, default=Path(os.environ.get("BERT_SHARED", "../shared")))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--megabytes", type=float, default=4)
    options = parser.parse_args()
    from tokenizers import BertWordPieceTokenizer
    print("| vocabulary | text | Hugging Face | " + " | ".join(WAYS) + " |")
    print("|---" * (3 + len(WAYS)) + "|")
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
                *seconds, count = found.stdout.split()
                if int(count) != tokens:
                    raise SystemExit(f"speed: {count} tokens, the reference has {tokens}")
                ours.append([megabytes / float(s) for s in seconds])
        a = statistics.median(theirs)
        cells = (f"{b:.0f} MB/s = {b / a:.0f} times" for b in map(statistics.median, zip(*ours)))
        print(f"| {name} | {Path(file).parent} | {a:.2f} MB/s | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
