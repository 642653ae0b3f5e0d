"""What the tools that pretrain and fine-tune share: runs of the programs whose results are kept by a digest of what they depend on.

A run depends on the program's name, its options, and the content of each file or folder among them. The program's own bytes are not part of
it, so that a rebuild keeps the results; --again of the tools makes them anew. Threads are no part either: they change no bit.
"""

import hashlib
import json
import os
import random
import re
import shlex
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FIGURE = re.compile(r"([a-z_0-9]+)=(-?[0-9.]+(?:e-?[0-9]+)?|nan)")


def digest(path, known={}):
    """Of a file's bytes, or of the names and bytes of a folder's files."""
    path = Path(path)
    if path.is_dir():
        return hashlib.sha256("".join(f"{p.name} {digest(p)}\n" for p in sorted(path.iterdir()) if p.is_file()).encode()).hexdigest()
    state = path.stat()
    key = (str(path), state.st_size, state.st_mtime_ns)
    if key not in known:
        known[key] = hashlib.sha256(path.read_bytes()).hexdigest()
    return known[key]


def merged(*lists):
    """Lists of options as one dictionary; of an option that is given again the last value counts. A flag has the value None."""
    out = {}
    for words in lists:
        words, i = list(words), 0
        while i < len(words):
            if not str(words[i]).startswith("--"):
                sys.exit(f"{words[i]}: expected an option that begins with --")
            has_value = i + 1 < len(words) and not str(words[i + 1]).startswith("--")
            out[words[i]] = words[i + 1] if has_value else None
            i += 2 if has_value else 1
    return out


def words_of(options):
    return [str(word) for name, value in options.items() for word in ((name,) if value is None else (name, value))]


def spread(values, digits=3):
    if not values:
        return "-"
    text = f"{statistics.mean(values):.{digits}f}"
    return text + (f" ± {statistics.stdev(values):.{digits}f}" if len(values) > 1 else "")


def mean(values):
    return statistics.mean(values) if values else float("nan")


def paired_bootstrap(ours, theirs, draws=2000, seed=1):
    """The difference of two mean accuracies on the same examples, and the bounds of its middle 95 % over samples of the examples drawn
    with replacement. `ours` and `theirs` are texts of 0 and 1, one a seed: whether each example was answered right."""
    share = lambda runs: [sum(column) / len(runs) for column in zip(*([int(c) for c in run] for run in runs))]
    differences = [a - b for a, b in zip(share(ours), share(theirs), strict=True)]
    chance, n = random.Random(seed), len(differences)
    means = sorted(sum(chance.choices(differences, k=n)) / n for _ in range(draws))
    return sum(differences) / n, means[int(0.025 * draws)], means[int(0.975 * draws)]


class Artifacts:
    """Runs of programs, kept in a folder: KEY.json the facts of a run, KEY.log its output, KEY its model."""

    def __init__(self, folder, programs, threads, again=False):
        self.folder, self.programs, self.threads, self.again = Path(folder), Path(programs), threads, again
        self.folder.mkdir(parents=True, exist_ok=True)
        self.made_now = set()

    def written(self, name, text):
        """A file of inputs that a tool makes; left as it is where it has that content."""
        path = self.folder / name
        if not path.exists() or path.read_text(encoding="utf8") != text:
            path.write_text(text, encoding="utf8")
        return path

    def key(self, program, options, **more):
        facts = {name: digest(value) if isinstance(value, Path) else value for name, value in options.items()}
        text = json.dumps([program, sorted(facts.items()), sorted(more.items())], default=str)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def known(self, key):
        """The facts of a finished run, or None."""
        path = self.folder / f"{key}.json"
        if not path.exists() or (self.again and key not in self.made_now):
            return None
        return json.loads(path.read_text(encoding="utf8"))

    def finish(self, key, facts):
        self.made_now.add(key)
        part = self.folder / f"{key}.json.part"
        part.write_text(json.dumps(facts, indent=1), encoding="utf8")
        os.replace(part, self.folder / f"{key}.json")
        return facts

    def start(self, program, options, log=None):
        """Runs a program; returns its output and its seconds. Ends the tool with the program's words if it fails."""
        command = [str(self.programs / program), *words_of(options), "--threads", str(self.threads)]
        if not Path(command[0]).is_file():
            sys.exit(f"{command[0]}: no such file; build the programs, or name their folder by --programs")
        begin = time.perf_counter()
        done = subprocess.run(command, capture_output=True, text=True)
        seconds = time.perf_counter() - begin
        if log is not None:
            with log.open("a", encoding="utf8") as file:
                file.write(f"$ {shlex.join(command)}\n{done.stdout}{done.stderr}")
        if done.returncode != 0:
            sys.exit(f"{shlex.join(command)}\n{done.stderr.strip()[-2000:]}")
        return done.stdout, seconds

    def steps_for(self, options, minutes):
        """The steps that fit into so many minutes, by the speed of three steps."""
        text, _ = self.start("pretrain", {k: v for k, v in options.items() if k not in ("--valid", "--general")}
                             | {"--steps": 1_000_000, "--dry-run": None})
        all_minutes = re.search(r"about ([0-9.]+) minutes", text)
        if all_minutes is None:
            sys.exit(f"pretrain --dry-run did not say its minutes: {text.strip()[-500:]}")
        return max(1, int(1_000_000 * minutes / float(all_minutes[1])))

    def pretrain(self, options, minutes=None, warmup=None, evaluations=0):
        """A pretraining of `--steps`, or of so many minutes; `warmup`, a share of the steps, sets --warmup, `evaluations` on held-out
        texts --evaluate-every. Returns its facts: folder, steps, seconds of the whole process, figures of the last line."""
        key = self.key("pretrain", options, minutes=minutes, warmup=warmup)
        facts = self.known(key)
        if facts is not None:
            return facts
        plan = self.folder / f"{key}.plan"  # so that a run that was interrupted goes on with its number of steps
        state = self.folder / f"{key}.state"
        if self.again and key not in self.made_now:
            for path in (plan, state):
                path.unlink(missing_ok=True)
        resumed = state.exists() and plan.exists()
        if minutes is not None:
            steps = json.loads(plan.read_text()) if plan.exists() else self.steps_for(options, minutes)
            plan.write_text(json.dumps(steps))
            options = options | {"--steps": steps}
        steps = int(options["--steps"])
        if warmup is not None:
            options = options | {"--warmup": int(steps * warmup)}
        if evaluations:
            options = options | {"--evaluate-every": max(1, steps // evaluations), "--evaluate-batches": 50}
        folder = self.folder / key
        text, seconds = self.start("pretrain", options | {"--out": folder, "--keep": state, "--every": 500}, self.folder / f"{key}.log")
        for path in (plan, state):
            path.unlink(missing_ok=True)
        return self.finish(key, dict(program="pretrain", folder=str(folder), steps=steps, seconds=round(seconds, 1), resumed=resumed,
                                     options=words_of(options), line=text.strip().splitlines()[-1], figures=held_out(text)))

    def tuning_key(self, options, judged=()):
        more = dict(judged=[digest(path) for path in judged]) if judged else {}
        return self.key("finetune", options, **more)

    def finetune(self, options, figure, judged=()):
        """A fine-tuning without a model to keep; returns its facts with the figure of the last line that begins with dev, and `right`:
        for each of the labelled files `judged` a text of 0 and 1, whether each of its rows is answered right."""
        key = self.tuning_key(options, judged)
        facts = self.known(key)
        if facts is not None:
            return facts
        out = {"--out": self.folder / f"{key}.model"} if judged else {}
        text, seconds = self.start("finetune", options | out, self.folder / f"{key}.log")
        right = [self.right_answers(out["--out"], options, path) for path in judged]
        if judged:
            shutil.rmtree(out["--out"])
        line = [l for l in text.strip().splitlines() if l.startswith("dev")][-1]
        figures = {name: float(value) for name, value in FIGURE.findall(line)}
        if figure not in figures:
            sys.exit(f"finetune: expected {figure}= in its last line, found {line}")
        return self.finish(key, dict(program="finetune", figure=figures[figure], right=right, seconds=round(seconds, 1), options=words_of(options),
                                     line=line))

    def right_answers(self, folder, options, path):
        """Whether a classifier gives each row of a labelled file its label; `options` are those of its fine-tuning."""
        columns = {k: v for k, v in options.items() if k in ("--text-column", "--second-column", "--pair")}
        text, _ = self.start("predict", {"--model": folder, "--tsv": path} | columns)
        found = [json.loads(line)["label"] for line in text.splitlines()]
        rows = path.read_text(encoding="utf8").splitlines()
        rows = rows[len(rows) - len(found) :]  # without a header
        labels = [row.split("\t")[int(options.get("--label-column", 0)) - 1] for row in rows]
        return "".join(str(int(a == b)) for a, b in zip(found, labels, strict=True))


def held_out(text):
    """{"valid": {"mlm": …}, "general": {…}} of pretrain's last line."""
    figures, now = {}, None
    for word in text.strip().splitlines()[-1].split():
        if word in ("valid", "general"):
            now = figures.setdefault(word, {})
        elif now is not None and (found := FIGURE.fullmatch(word)):
            now[found[1]] = float(found[2])
    return figures


def finetune_tasks():
    """tools/finetune_table as a module: its tasks and the files that it makes for them."""
    import importlib.machinery
    import importlib.util
    sys.dont_write_bytecode = True
    loader = importlib.machinery.SourceFileLoader("finetune_table", str(ROOT / "tools" / "finetune_table"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("finetune_table", loader))
    loader.exec_module(module)
    return module


def common_options(parser, work):
    parser.add_argument("--work", default=str(ROOT / "build" / work), help="folder of what is kept")
    parser.add_argument("--data", default=os.path.join(os.environ.get("BERT_SHARED", ""), "data"), help="folder of the data sets")
    parser.add_argument("--programs", default=str(ROOT / "build/release/examples"))
    parser.add_argument("--seeds", nargs="*", type=int, default=[1, 2, 3], help="of the fine-tuning")
    parser.add_argument("--pretrain-seed", type=int, default=42)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--again", action="store_true", help="make every run anew, also those that are known")
    parser.add_argument("--table", action="store_true", help="run nothing, print the table of what is known")
