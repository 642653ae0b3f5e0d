#!/usr/bin/env python3
"""The two object files share no mergeable function of bert, and the first uses no wide register.

    symbols.py [--nm nm] [--objdump objdump] v2.o v4.o

bert::error is in both: one type, whichever file throws it. The standard library's templates are in both too, which no
header can prevent; docs/shipping.md has the solution.
"""

import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from support import objects  # noqa: E402

SHARED = re.compile(r"^(?:(?:vtable|typeinfo|typeinfo name) for )?bert::error\b")
OURS = re.compile(r"\bbert::")


def mergeable(nm, path):
    """Demangled names of the definitions that the linker may merge with another file's."""
    lines = (line.split(maxsplit=2) for line in objects.output(nm, "-C", "--defined-only", path).splitlines())
    return {parts[2] for parts in lines if len(parts) == 3 and parts[1] in "WVuvw"}


def main():
    args = objects.arguments(__doc__, "low", "high")
    low, high = mergeable(args.nm, args.low), mergeable(args.nm, args.high)
    # A standard template over a type of bert has the type's name, and with it the instruction set's.
    both = sorted(name for name in low & high if OURS.search(name) and not SHARED.match(name) and "bert::error" not in name)
    own = sum(1 for name in low if OURS.search(name))
    mistakes = [f"in both: {name}" for name in both]
    if own < 20:
        mistakes.append(f"only {own} functions of bert in {args.low}; is it the right file?")
    low_registers, high_registers = (objects.registers(args.objdump, path) for path in (args.low, args.high))
    if low_registers != {"xmm"}:
        mistakes.append(f"{args.low}: expected xmm registers alone, found {', '.join(sorted(low_registers))}")
    if "zmm" not in high_registers:
        mistakes.append(f"{args.high}: expected zmm registers, found {', '.join(sorted(high_registers))}")
    return objects.report(mistakes, f"{own} functions of bert that the linker may merge, {len(both)} of them in both files")


if __name__ == "__main__":
    sys.exit(main())
