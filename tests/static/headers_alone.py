#!/usr/bin/env python3
"""Every header compiles as the only include of a program, without a warning.

    headers_alone.py --compiler g++ [--compiler clang++ …] [--jobs N] [header.hpp …]
"""

import argparse
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

INCLUDE = Path(__file__).resolve().parents[2] / "include"
MPI_HEADER = "bert/distributed/mpi.hpp"
FLAGS = "-std=c++20 -fsyntax-only -pthread -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror -x c++ -".split()


def mpi_folders():
    """-isystem of each folder that MPI's compiler adds; None without MPI. Open MPI and MPICH are asked in different ways."""
    for question in ("--showme:compile", "-compile_info"):
        try:
            run = subprocess.run(["mpicxx", question], capture_output=True, text=True)
        except FileNotFoundError:
            return None
        if run.returncode == 0:
            return [f"-isystem{word[2:]}" for word in run.stdout.split() if word.startswith("-I")] + ["-DOMPI_SKIP_MPICXX", "-DMPICH_SKIP_MPICXX"]
    return None


def alone(job):
    compiler, header, more = job
    run = subprocess.run([compiler, f"-I{INCLUDE}", *more, *FLAGS], input=f'#include "{header}"\n#include "{header}"\nint main() {{}}\n',
                         capture_output=True, text=True)
    return f"{compiler}: {header}:\n{run.stderr}" if run.returncode else ""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--compiler", action="append", required=True)
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("headers", nargs="*", help="as an include names them; all by default")
    args = parser.parse_args()
    headers = args.headers or sorted(p.relative_to(INCLUDE).as_posix() for p in INCLUDE.rglob("*.hpp"))
    mpi = mpi_folders()
    if mpi is None and MPI_HEADER in headers:
        headers.remove(MPI_HEADER)
        print(f"{MPI_HEADER}: skipped, no MPI")
    with ThreadPoolExecutor(args.jobs) as pool:
        failures = [text for text in pool.map(alone, [(c, h, mpi if h == MPI_HEADER else []) for h in headers for c in args.compiler]) if text]
    for text in failures:
        print(text)
    print(f"{len(headers)} headers by {', '.join(args.compiler)}: {len(failures)} failures")
    return 1 if failures or not headers else 0


if __name__ == "__main__":
    sys.exit(main())
