#!/usr/bin/env python3
"""Compiles each case with and without its mistake, and checks the compiler's diagnostics.

    run.py --compiler g++ [--compiler clang++ …] case.cpp …

A case is a program with lines `// Message: <regular expression>`, which the diagnostics of the mistake must contain on every
compiler (`// Message(g++):`, `// Message(clang++):` on that one alone). Without -DBERT_MISTAKE the case must compile, so that
no case fails for another reason than its mistake.
"""

import argparse
import os
import re
import subprocess
import sys
from pathlib import Path

INCLUDE = Path(__file__).resolve().parents[2] / "include"
MESSAGE = re.compile(r"^// Message(?:\((g\+\+|clang\+\+)\))?: (.+)$", re.M)


def compile_only(compiler, case, *flags):
    command = [compiler, "-std=c++20", "-fsyntax-only", "-Wall", "-Wextra", "-pthread", f"-I{INCLUDE}", *flags, str(case)]
    run = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "LC_ALL": "C"})
    return run.returncode, run.stderr


def family_of(compiler):
    version = subprocess.run([compiler, "--version"], capture_output=True, text=True).stdout
    return "clang++" if "clang" in version else "g++"


def check(compiler, case):
    """The list of the case's failures on this compiler."""
    family = family_of(compiler)
    expected = [text for only, text in MESSAGE.findall(case.read_text(encoding="utf-8")) if only in ("", family)]
    if not expected:
        return ["states no `// Message: …`"]
    status, output = compile_only(compiler, case)
    if status != 0:
        return ["does not compile without its mistake:\n" + output]
    status, output = compile_only(compiler, case, "-DBERT_MISTAKE")
    if status == 0:
        return ["compiles with its mistake"]
    # Compilers do not wrap lines, but quote with ‘’ or '': both become '.
    output = re.sub("[‘’]", "'", output)
    return [f"expected /{text}/ in the diagnostic, found:\n{output}" for text in expected if not re.search(text, output)]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--compiler", action="append", required=True)
    parser.add_argument("cases", nargs="+", type=Path)
    args = parser.parse_args()
    failures = 0
    for case in args.cases:
        for compiler in args.compiler:
            wrong = check(compiler, case)
            failures += bool(wrong)
            for text in wrong:
                print(f"{case}: {compiler}: {text}")
            if not wrong:
                print(f"{case.name}: {compiler}: fails as it should")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
