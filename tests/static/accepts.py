#!/usr/bin/env python3
"""A second compiler accepts, without a warning, files that the first one builds.

    accepts.py --compiler clang++ --commands build/dev [--jobs N] 'bench/*.cpp' 'examples/*.cpp'

Reads compile_commands.json of a build and runs the other compiler with the same definitions, include folders and -m flags and with
-fsyntax-only: templates are instantiated, no code is made. A GLOB names files below the repository, or below the build's folder.
"""

import argparse
import json
import os
import shlex
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from fnmatch import fnmatch
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FLAGS = "-fsyntax-only -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror".split()
KEPT = ("-I", "-D", "-m", "-std=", "-pthread", "-f")


def kept(words):
    """The flags that change what a program means."""
    result, words = [], iter(words)
    for word in words:
        if word in ("-isystem", "-include", "-I", "-D"):
            result += [word, next(words)]
        elif word.startswith(KEPT) and word not in ("-fno-gnu-unique", "-fno-lto"):
            result.append(word)
    return result


def accept(job):
    compiler, flags, folder, name, file = job
    run = subprocess.run([compiler, *flags, *FLAGS, file], cwd=folder, capture_output=True, text=True)
    return f"{name}:\n{run.stdout}{run.stderr}" if run.returncode else ""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--compiler", required=True)
    parser.add_argument("--commands", type=Path, required=True, help="the build's folder")
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("globs", metavar="GLOB", nargs="+")
    args = parser.parse_args()

    jobs = {}
    for entry in json.loads((args.commands / "compile_commands.json").read_text()):
        names = [os.path.relpath(entry["file"], folder) for folder in (ROOT, args.commands)]
        name = min(names, key=len)
        if any(fnmatch(n, g) for n in names for g in args.globs):
            flags = kept(entry["arguments"] if "arguments" in entry else shlex.split(entry["command"]))
            jobs[(name, *flags)] = (args.compiler, flags, entry["directory"], name, entry["file"])
    with ThreadPoolExecutor(args.jobs) as pool:
        failures = [text for text in pool.map(accept, jobs.values()) if text]
    for text in failures:
        print(text)
    print(f"{len(jobs)} files by {args.compiler}: {len(failures)} failures")
    return 1 if failures or not jobs else 0


if __name__ == "__main__":
    sys.exit(main())
