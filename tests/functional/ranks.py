#!/usr/bin/env python3
"""Starts pretrain_mpi as several ranks by mpirun, right and wrong, kills ranks, and compares what is written byte by byte.

    tests/functional/ranks.py build/release/examples

Exit status 77, and a line that says so, if there is no mpirun or no pretrain_mpi.
"""

import hashlib
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
import unittest
from pathlib import Path

sys.dont_write_bytecode = True
import programs  # noqa: E402
from programs import BAD, GOOD, PROGRAMS, sentence  # noqa: E402

MPIRUN = os.environ.get("MPIEXEC") or shutil.which("mpirun")
# More ranks than cores, and root in a container: Open MPI asks for consent to both, other MPIs do not read these.
ENVIRONMENT = {**os.environ, "OMPI_MCA_rmaps_base_oversubscribe": "1", "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
WORDS = GOOD + BAD


def digest(path):
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


class Ranks(programs.Programs):
    @classmethod
    def prepare(cls):
        chance = random.Random(1)
        cls.text = "\n\n".join("\n".join(sentence(chance, WORDS) for _ in range(6)) for _ in range(60))
        cls.corpus = cls.write("corpus.txt", cls.text)

    def options(self, folder, **other):
        """The usual command line with `other` in place of its options; None leaves one out."""
        usual = {"text": self.corpus, "arch": "tiny", "vocab-size": 200, "steps": 8, "batch": 16, "tokens": 32, "lr": "1e-3", "warmup": 2,
                 "seed": 3, "threads": 1, "out": self.folder / folder}
        usual.update({name.replace("_", "-"): value for name, value in other.items()})
        return [str(x) for name, value in usual.items() if value is not None for x in (f"--{name}", value)]

    @staticmethod
    def start(*parts):
        """mpirun of parts (n, program, options), each on n ranks."""
        command = [MPIRUN]
        for i, (n, program, options) in enumerate(parts):
            command += [":"] * (i > 0) + ["-n", str(n), str(program), *options]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT)

    def run_ranks(self, *parts):
        process = self.start(*parts)
        try:
            out, errors = process.communicate(timeout=200)
        except subprocess.TimeoutExpired:
            process.kill()
            self.fail("ranks wait for each other")
        return process.returncode, out, errors

    def pretrain(self, n, out, **other):
        status, output, errors = self.run_ranks((n, PROGRAMS / "pretrain_mpi", self.options(out, **other)))
        self.assertEqual(status, 0, errors)
        return output, digest(self.folder / out / "model.safetensors")

    def alone(self, out, **other):
        done = subprocess.run([PROGRAMS / "pretrain", *self.options(out, **{"leaves": 16, **other})], capture_output=True, text=True, timeout=200, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout, digest(self.folder / out / "model.safetensors")

    def refused(self, result, *named):
        status, _, errors = result
        self.assertNotEqual(status, 0)
        said = [line for line in errors.splitlines() if "pretrain_mpi: " in line]
        self.assertEqual(len(said), 1, errors)
        for name in named:
            self.assertIn(name, said[0])

    @staticmethod
    def without_speed(output):
        return re.sub(r" tokens/s \d+|trained .*\n", "", output)

    def test_any_number_of_ranks_and_threads_writes_the_bytes_of_one_process_and_one_rank_prints(self):
        output, one = self.alone("alone", valid=self.corpus, log_every=4)
        for n, threads in ((1, 2), (2, 1), (4, 2), (8, 1)):
            with self.subTest(ranks=n, threads=threads):
                said, other = self.pretrain(n, "ranks", threads=threads, valid=self.corpus, log_every=4)
                self.assertEqual(other, one)
                self.assertEqual(self.without_speed(said).replace("saved " + str(self.folder / "ranks"), ""),
                                 self.without_speed(output).replace("saved " + str(self.folder / "alone"), ""))
        self.assertNotEqual(self.alone("unsplit", leaves=1)[1], one)  # the sum in order has other bits

    def test_accumulated_batches_and_bf16_have_one_result_each(self):
        for more in ({"accumulate": 3}, {"precision": "bf16"}):
            with self.subTest(**more):
                _, one = self.alone("alone", steps=4, **more)
                for n in (2, 4):
                    self.assertEqual(self.pretrain(n, "ranks", steps=4, **more)[1], one)

    def test_sums_after_the_backward_pass_have_the_same_bits_and_sums_sent_as_bf16_others(self):
        _, one = self.alone("alone")
        status, _, errors = self.run_ranks((2, PROGRAMS / "pretrain_mpi", [*self.options("ranks"), "--no-overlap"]))
        self.assertEqual(status, 0, errors)
        self.assertEqual(digest(self.folder / "ranks" / "model.safetensors"), one)
        state = self.folder / "narrow.state"
        _, narrow = self.pretrain(2, "ranks", wire="bf16", keep=state)
        self.assertNotEqual(narrow, one)
        self.assertEqual(self.pretrain(2, "ranks", wire="bf16", threads=2)[1], narrow)
        self.refused(self.run_ranks((2, PROGRAMS / "pretrain_mpi", self.options("ranks", keep=state))), "narrow.state")

    def test_fewer_sequences_than_ranks_train_too(self):
        self.assertEqual(self.pretrain(8, "ranks", batch=3, steps=4)[1], self.alone("alone", batch=3, steps=4)[1])

    def wait_for(self, process, path):
        begin = time.monotonic()
        while not path.exists():
            self.assertIsNone(process.poll(), "ended early")
            self.assertLess(time.monotonic() - begin, 100)
            time.sleep(0.01)

    @staticmethod
    def processes(mpirun):
        children = Path(f"/proc/{mpirun.pid}/task/{mpirun.pid}/children").read_text().split()
        return [int(c) for c in children if "pretrain_mpi" in os.readlink(f"/proc/{c}/exe")]

    def test_a_killed_rank_ends_the_job_and_another_number_of_ranks_goes_on_from_the_state_to_the_same_bytes(self):
        _, whole = self.pretrain(1, "whole", steps=60)
        for victim, then in ((0, 4), (1, 1), (1, 2)):
            with self.subTest(victim=victim, then=then):
                state = self.folder / f"killed-{victim}-{then}.state"
                process = self.start((2, PROGRAMS / "pretrain_mpi", self.options("killed", steps=60, keep=state, every=1)))
                self.wait_for(process, state)
                time.sleep(random.random() * 0.2)
                ranks = self.processes(process)
                self.assertEqual(len(ranks), 2)
                os.kill(ranks[victim], signal.SIGKILL)
                _, errors = process.communicate(timeout=100)
                self.assertNotEqual(process.returncode, 0)
                self.assertRegex(errors, r"(?i)kill|signal 9")
                self.assertFalse((self.folder / "killed").exists())
                output, resumed = self.pretrain(then, "resumed", steps=60, keep=state, every=1000)
                self.assertIn("resumed at step ", output)
                self.assertEqual(resumed, whole)

    def test_a_signal_to_one_rank_stops_all_after_a_step_with_the_state_written(self):
        _, whole = self.pretrain(1, "whole", steps=60)
        state = self.folder / "stopped.state"
        process = self.start((2, PROGRAMS / "pretrain_mpi", self.options("stopped", steps=60, keep=state, every=3)))
        self.wait_for(process, state)
        os.kill(self.processes(process)[1], signal.SIGTERM)
        _, errors = process.communicate(timeout=100)
        self.assertEqual(process.returncode, 128 + signal.SIGTERM, errors)
        said = re.findall(r"pretrain_mpi: stopped by SIGTERM after step (\d+); the state is in", errors)
        self.assertEqual(len(said), 1, errors)
        output, resumed = self.pretrain(4, "resumed", steps=60, keep=state)
        self.assertIn(f"resumed at step {said[0]}\n", output)
        self.assertEqual(resumed, whole)

    def differing(self, program=None, **other):
        return self.run_ranks((1, PROGRAMS / "pretrain_mpi", self.options("ranks")),
                              (1, program or PROGRAMS / "pretrain_mpi", self.options("ranks", **other)))

    def test_a_rank_with_another_option_program_corpus_or_vocabulary_is_refused_by_name(self):
        self.refused(self.differing(seed=4), "rank 1 of 2: expected --seed 3, as rank 0 has, found --seed 4")
        self.refused(self.differing(batch=32), "--batch 16", "--batch 32")
        self.refused(self.differing(keep=self.folder / "x.state"), "--keep not given", "--keep given")
        program = self.folder / "other_program"
        program.write_bytes((PROGRAMS / "pretrain_mpi").read_bytes() + b"\n")
        program.chmod(0o755)
        self.refused(self.differing(program=program), "expected program ")
        other = self.write("other.txt", self.text.replace("book", "brook"))
        self.refused(self.differing(text=other), "expected corpus ")
        self.pretrain(1, "first", steps=1)
        pieces = (self.folder / "first" / "vocab.txt").read_text().split("\n")
        words = [self.write(f"vocab{i}.txt", "\n".join(pieces[:-1] + [f"word{i}", ""])) for i in range(2)]
        self.refused(self.run_ranks(*((1, PROGRAMS / "pretrain_mpi", self.options("ranks", vocab_size=None, vocab=w)) for w in words)), "vocabulary ")
        same = self.write("copy.txt", self.text)  # the same bytes under another name, and other threads
        self.assertEqual(self.differing(text=same, threads=2)[0], 0)

    def test_a_rank_that_alone_does_not_find_the_state_is_refused(self):
        state = self.folder / "found.state"
        self.pretrain(2, "ranks", steps=8, keep=state)
        self.refused(self.run_ranks(*((1, PROGRAMS / "pretrain_mpi", self.options("ranks", keep=k)) for k in (state, self.folder / "nowhere.state"))),
                     "step to go on from 8", "step to go on from 0")

    def test_what_one_rank_cannot_do_ends_all_with_its_number(self):
        self.refused(self.differing(text=self.folder / "missing.txt"), "rank 1: ", "missing.txt")
        self.refused(self.run_ranks((2, PROGRAMS / "pretrain_mpi", self.options("ranks", text=self.folder / "missing.txt"))), "missing.txt")

    def test_a_loss_that_is_not_finite_ends_all_and_leaves_the_state_of_before(self):
        state = self.folder / "wild.state"
        result = self.run_ranks((2, PROGRAMS / "pretrain_mpi", self.options("wild", steps=50, lr="1e30", keep=state, every=1)))
        self.refused(result, "expected a finite")
        step = int(re.search(r"step (\d+): expected a finite", result[2])[1])
        self.assertGreater(step, 1)
        kept = state.read_bytes()
        facts = json.loads(kept[8:8 + int.from_bytes(kept[:8], "little")])["__metadata__"]
        self.assertEqual(facts["step"], str(step - 1))
        self.assertFalse((self.folder / "wild").exists())

    def test_numbers_of_ranks_that_do_not_divide_the_leaves_are_refused(self):
        self.refused(self.run_ranks((3, PROGRAMS / "pretrain_mpi", self.options("ranks"))), "power of two", "replicas 3")
        self.refused(self.run_ranks((4, PROGRAMS / "pretrain_mpi", self.options("ranks", leaves=2))), "leaves 2, replicas 4")

    def test_wrong_usage_is_status_2_in_one_line(self):
        result = self.run_ranks((2, PROGRAMS / "pretrain_mpi", self.options("ranks", out=None)))
        self.assertEqual(result[0], 2)
        self.refused(result, "--out is required")
        self.refused(self.run_ranks((1, PROGRAMS / "pretrain_mpi", self.options("ranks", leaves=3))), "power of two")


if __name__ == "__main__":
    if MPIRUN is None or not (PROGRAMS / "pretrain_mpi").exists():
        print("skipped: needs mpirun and pretrain_mpi; tools/install-packages test installs MPI")
        sys.exit(77)
    unittest.main(verbosity=1)
