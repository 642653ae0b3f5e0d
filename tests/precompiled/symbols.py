#!/usr/bin/env python3
"""In bert::precompiled's archive, each level exports one function and type information, and uses no wider register than its own.

    symbols.py [--nm nm] [--objdump objdump] libbert_precompiled.a
"""

import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from support import objects  # noqa: E402

TYPE_INFORMATION = {"_ZTIN4bert5errorE", "_ZTSN4bert5errorE"}  # of bert::error, so that one `catch` works for all levels
# Level -> the widest registers that it uses; without them it would be compiled for another level.
WIDEST = {"v2": "xmm", "v3": "ymm", "v4": "zmm", "v4_vnni": "zmm", "v4_bf16": "zmm", "v4_amx": "zmm"}


def main():
    args = objects.arguments(__doc__, "archive")
    mistakes = []
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["ar", "x", Path(args.archive).resolve()], cwd=folder, check=True)
        levels = {path.stem: path for path in Path(folder).glob("v*.o")}
        if not levels:
            mistakes.append("no level in the archive")
        for level, path in sorted(levels.items()):
            shown = {line.split()[0] for line in objects.output(args.nm, "--format=posix", "--extern-only", "--defined-only", path).splitlines() if line}
            allowed = {f"bert_precompiled_open_{level}"} | TYPE_INFORMATION
            if shown - allowed or f"bert_precompiled_open_{level}" not in shown:
                mistakes.append(f"{level}: expected {', '.join(sorted(allowed))}, found {', '.join(sorted(shown)[:10])}")
            found = objects.registers(args.objdump, path)
            wider = {"xmm": {"ymm", "zmm"}, "ymm": {"zmm"}, "zmm": set()}[WIDEST[level]]
            if WIDEST[level] not in found or found & wider:
                mistakes.append(f"{level}: expected registers up to {WIDEST[level]}, found {', '.join(sorted(found))}")
    return objects.report(mistakes, f"{len(levels)} levels, {len(mistakes)} mistakes")


if __name__ == "__main__":
    sys.exit(main())
