#!/usr/bin/env python3
"""Compiles program.cpp with flags that other programs use, without a warning, and runs it: the numbers must not depend on them.

    tests/flags/flags.py [NAME…]

A compiler or a standard library that is not installed is skipped, which is said.
"""

import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent
USUAL = ["-pthread", "-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wshadow", "-Werror", f"-I{HERE.parents[1] / 'include'}"]
BUILDS = {
    "usual": ("g++", "-std=c++20", "-O2"),
    "not optimized": ("g++", "-std=c++20", "-O0"),
    "small": ("g++", "-std=c++20", "-Os"),
    "without type information": ("g++", "-std=c++20", "-O1", "-fno-rtti"),
    "without exceptions": ("g++", "-std=c++20", "-O1", "-fno-exceptions", "-fno-rtti"),
    "clang++, without exceptions": ("clang++", "-std=c++20", "-O1", "-fno-exceptions"),
    "C++23": ("g++", "-std=c++23", "-O1"),
    "unsigned characters": ("g++", "-std=c++20", "-O1", "-funsigned-char"),
    "clang++, C++23": ("clang++", "-std=c++2b", "-O1"),
    "libc++": ("clang++", "-std=c++20", "-O1", "-stdlib=libc++"),
}


def build(job):
    """(name, numbers or None, what went wrong or was skipped)."""
    name, folder = job
    compiler, *flags = BUILDS[name]
    if shutil.which(compiler) is None:
        return name, None, f"skipped: no {compiler}"
    if "-stdlib=libc++" in flags and subprocess.run([compiler, "-stdlib=libc++", "-fsyntax-only", "-x", "c++", "-"], input="#include <vector>\n", text=True,
                                                    capture_output=True, check=False).returncode:
        return name, None, "skipped: no libc++"
    program = Path(folder) / name.replace(" ", "-")
    made = subprocess.run([compiler, *flags, *USUAL, str(HERE / "program.cpp"), "-o", str(program)], capture_output=True, text=True, check=False)
    if made.returncode:
        return name, None, made.stderr[-3000:]
    ran = subprocess.run([program, f"{program}.model"], capture_output=True, text=True, check=False)
    if ran.returncode:
        return name, None, f"exit status {ran.returncode}\n{ran.stderr}"
    if "-fno-exceptions" in flags:
        failed = subprocess.run([program, "missing"], capture_output=True, text=True, check=False)
        if failed.returncode != 3 or not failed.stdout.startswith("missing: expected "):
            return name, None, f"an error did not reach the handler: exit status {failed.returncode}, {failed.stdout}{failed.stderr}"
    return name, ran.stdout.split(), ""


def same(a, b):
    """Whether two words are numbers that differ by at most 2e-5, or the same word."""
    try:
        return abs(float(a) - float(b)) <= 2e-5
    except ValueError:
        return a == b


def main():
    names = sys.argv[1:] or list(BUILDS)
    if wrong := [n for n in names if n not in BUILDS]:
        sys.exit(f"flags.py: expected of {', '.join(BUILDS)}; found {wrong[0]}")
    names = ["usual", *(n for n in names if n != "usual")]
    failures = 0
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(2) as pool:
        usual = []  # also where that build fails: then the others differ from it
        for name, numbers, text in pool.map(build, [(n, folder) for n in names]):
            usual = numbers or [] if name == "usual" else usual
            if numbers is not None and not (len(numbers) == len(usual) and all(map(same, numbers, usual))):
                text = f"other numbers: {' '.join(numbers)}\n{' '.join(usual)}"
            failed = text != "" and not text.startswith("skipped")
            failures += failed
            print(f"{name}: {text or 'the same numbers'}", flush=True)
    print(f"{len(names)} builds, {failures} failures")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
