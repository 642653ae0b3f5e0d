#!/usr/bin/env python3
"""tools/check_layers.py must pass a clean tree and fail each planted violation, naming file and line."""

import importlib.util
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

SCRIPT = Path(__file__).resolve().parents[2] / "tools" / "check_layers.py"
spec = importlib.util.spec_from_file_location("check_layers", SCRIPT)
check_layers = importlib.util.module_from_spec(spec)
spec.loader.exec_module(check_layers)


def header(layer, *includes):
    return f"// A test header.\n// Layer: {layer}. Test: tests/x.cpp\n#ifndef BERT_A_HPP\n\n" + "\n".join(f"#include {i}" for i in includes) + "\n"


CLEAN = {
    "core/a.hpp": header("core", "<vector>", "<sys/mman.h>"),
    "tensor/token_batch.hpp": header("tensor", '"bert/core/a.hpp"'),
    "kernels/simd/f32.hpp": header("kernels", "<xsimd/xsimd.hpp>", "<immintrin.h>", '"bert/tensor/token_batch.hpp"'),
    "text/word.hpp": header("text", '"bert/core/a.hpp"', '"bert/tensor/token_batch.hpp"'),
    "io/json_events.hpp": header("io", "<nlohmann/json.hpp>"),
    "text.hpp": header("all", '"bert/text/word.hpp"', '"bert/io/json_events.hpp"'),
}


class CheckLayers(unittest.TestCase):
    def check(self, files):
        with tempfile.TemporaryDirectory() as folder:
            tree = {f"include/bert/{name}": text for name, text in {**CLEAN, **files}.items()}
            for name, text in {"tests/x.cpp": "", **tree}.items():
                path = Path(folder) / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
            run = subprocess.run([sys.executable, SCRIPT, "--root", folder], capture_output=True, text=True)
            return run.returncode, run.stdout

    def fails(self, files, *expected):
        status, output = self.check(files)
        self.assertEqual(status, 1, output)
        for text in expected:
            self.assertIn(text, output)
        self.assertIn("1 violations", output)

    def test_a_clean_tree_passes(self):
        status, output = self.check({})
        self.assertEqual((status, output), (0, "6 headers keep the layers, 0 warnings\n"))

    def test_the_header_of_everything_includes_everything(self):
        self.fails({"bert.hpp": header("all", *(f'"bert/{name}"' for name in CLEAN if name != "io/json_events.hpp"))},
                   'include/bert/bert.hpp:1: lacks "bert/io/json_events.hpp"')
        self.assertEqual(self.check({"bert.hpp": header("all", *(f'"bert/{name}"' for name in CLEAN))})[0], 0)

    def test_the_table_of_layers_is_a_dag(self):
        for layer, below in check_layers.BELOW.items():
            for other in below:
                self.assertNotIn(layer, check_layers.BELOW[other])
                self.assertLessEqual(set(check_layers.BELOW[other]), set(below), f"{layer} may include {other} but not all below it")

    def test_an_upward_include_fails(self):
        self.fails({"core/up.hpp": header("core", "<array>", '"bert/tensor/token_batch.hpp"')}, "include/bert/core/up.hpp:6: layer 'core'")

    def test_training_may_not_see_text(self):
        self.fails({"training/t.hpp": header("training", '"bert/text/word.hpp"')}, "include/bert/training/t.hpp:5:")

    def test_text_may_see_token_batch_and_nothing_else_of_tensor(self):
        self.fails({"tensor/other.hpp": header("tensor"), "text/t.hpp": header("text", '"bert/tensor/other.hpp"')}, "include/bert/text/t.hpp:5:")

    def test_a_cycle_within_one_layer_fails(self):
        self.fails({"core/b.hpp": header("core", '"bert/core/c.hpp"'), "core/c.hpp": header("core", "<map>", '"bert/core/b.hpp"')},
                   "include/bert/core/c.hpp:6: closes a cycle: bert/core/b.hpp -> bert/core/c.hpp -> bert/core/b.hpp")

    def test_xsimd_outside_simd_hpp_fails(self):
        self.fails({"kernels/gemm/gemm.hpp": header("kernels", "<xsimd/xsimd.hpp>")}, "include/bert/kernels/gemm/gemm.hpp:5:", "bert/kernels/simd/f32.hpp")

    def test_nlohmann_outside_json_events_hpp_fails(self):
        self.fails({"pipeline/c.hpp": header("pipeline", "<nlohmann/json_fwd.hpp>")}, "include/bert/pipeline/c.hpp:5:", "bert/io/json_events.hpp")

    def test_a_namespace_for_all_instruction_sets_fails_but_where_it_must_be(self):
        plain = "namespace bert::detail {}\n"
        self.fails({"io/b.hpp": header("io", '"bert/core/a.hpp"') + plain}, "include/bert/io/b.hpp:6:", "BERT_ISA")
        self.assertEqual(self.check({"core/error.hpp": header("core") + plain})[0], 0)

    def test_the_name_of_the_instruction_set_needs_its_header(self):
        named = "namespace bert::inline BERT_ISA {}\n"
        isa = {"core/isa.hpp": header("core")}
        self.fails({"io/b.hpp": header("io") + named, **isa}, "include/bert/io/b.hpp:1:", "core/isa.hpp")
        self.assertEqual(self.check({"io/b.hpp": header("io", '"bert/core/isa.hpp"') + named, **isa})[0], 0)

    def test_a_missing_banner_fails(self):
        self.fails({"core/b.hpp": "#ifndef BERT_A_HPP\n"}, "include/bert/core/b.hpp:1: no banner")

    def test_a_banner_of_another_layer_fails(self):
        self.fails({"core/b.hpp": header("tensor")}, "include/bert/core/b.hpp:2:")

    def test_a_missing_guard_fails(self):
        self.fails({"core/b.hpp": header("core").replace("#ifndef BERT_A_HPP", "")}, "include/bert/core/b.hpp:3:")

    def test_an_unknown_folder_fails(self):
        self.fails({"misc/b.hpp": header("misc")}, "include/bert/misc/b.hpp:1: folder 'misc' is no layer")

    def test_a_foreign_header_fails(self):
        self.fails({"data/b.hpp": header("data", "<boost/any.hpp>")}, "include/bert/data/b.hpp:5:")

    def test_a_platform_header_where_none_belongs_fails(self):
        self.fails({"model/b.hpp": header("model", "<unistd.h>")}, "include/bert/model/b.hpp:5:")

    def test_a_relative_include_fails(self):
        self.fails({"core/b.hpp": header("core", '"a.hpp"')}, "include/bert/core/b.hpp:5:")

    def test_an_include_of_the_umbrella_from_a_layer_fails(self):
        status, output = self.check({"data/b.hpp": header("data", '"bert/text.hpp"')})
        self.assertEqual(status, 1)
        self.assertIn("umbrella", output)

    def test_an_include_of_no_file_fails(self):
        self.fails({"core/b.hpp": header("core", '"bert/core/nothing.hpp"')}, "include/bert/core/b.hpp:5: no such header")

    def test_an_include_within_a_comment_is_none(self):
        status, _ = self.check({"core/b.hpp": header("core") + '/*\n#include "bert/tensor/token_batch.hpp"\n*/\n//#include <boost/x.hpp>\n'})
        self.assertEqual(status, 0)

    def test_a_long_header_warns_unless_it_is_generated(self):
        long = header("core") + "\n" * 450
        self.assertIn("1 warnings", self.check({"core/b.hpp": long})[1])
        self.assertIn("0 warnings", self.check({"core/b.hpp": long.replace("A test header", "Generated by a script")})[1])


if __name__ == "__main__":
    unittest.main()
