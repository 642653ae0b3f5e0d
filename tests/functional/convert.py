#!/usr/bin/env python3
"""Runs the program `convert` on folders of every form of weights, and reads what it wrote.

    tests/functional/convert.py build/release/examples

The folders are made here, from the descriptions of the formats: neither PyTorch nor TensorFlow is needed.
"""

import json
import math
import pickle
import random
import struct
import subprocess
import sys
import tempfile
import types
import unittest
import zipfile
from collections import OrderedDict
from pathlib import Path

sys.dont_write_bytecode = True
from programs import PROGRAMS  # noqa: E402

WIDTH = {"F32": 4, "F16": 2, "BF16": 2, "I64": 8}
STORAGE = {"F32": "FloatStorage", "F16": "HalfStorage", "BF16": "BFloat16Storage", "I64": "LongStorage"}


def run(*arguments):
    return subprocess.run([PROGRAMS / "convert", *map(str, arguments)], capture_output=True, text=True, timeout=120, check=False)


def model(seed=1):
    """Name -> (dtype, shape, bytes), of no architecture that the library knows."""
    chance = random.Random(seed)
    floats = lambda n: struct.pack(f"<{n}f", *(chance.gauss(0, 1) for _ in range(n)))
    return {"block.0.weight": ("F32", [6, 4], floats(24)), "block.0.bias": ("F32", [6], floats(6)),
            "block.1.weight": ("F16", [3, 5], b"".join(struct.pack("<e", chance.gauss(0, 1)) for _ in range(15))),
            "block.1.scale": ("BF16", [2], b"\x80\x3f\x00\x40"), "head.weight": ("F32", [5, 4], floats(20)),
            "position_ids": ("I64", [1, 8], struct.pack("<8q", *range(8)))}


def read_safetensors(path):
    data = path.read_bytes()
    (length,) = struct.unpack_from("<Q", data)
    header = json.loads(data[8:8 + length])
    header.pop("__metadata__", None)
    return {name: (t["dtype"], t["shape"], data[8 + length + t["data_offsets"][0]:8 + length + t["data_offsets"][1]]) for name, t in header.items()}


def write_safetensors(path, tensors):
    header, data = {"__metadata__": {"format": "pt", "own": "fact"}}, b""
    for name, (dtype, shape, content) in tensors.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(data), len(data) + len(content)]}
        data += content
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def transposed(shape, content, width):
    rows, cols = shape
    return b"".join(content[width * (r * cols + c):width * (r * cols + c + 1)] for c in range(cols) for r in range(rows))


# --- PyTorch: its pickler is played by modules of the same names ---

torch, utils = types.ModuleType("torch"), types.ModuleType("torch._utils")
sys.modules |= {"torch": torch, "torch._utils": utils}
for kind in STORAGE.values():
    setattr(torch, kind, type(kind, (), {"__module__": "torch"}))


def _rebuild_tensor_v2(*_):
    raise AssertionError


_rebuild_tensor_v2.__module__, _rebuild_tensor_v2.__qualname__ = "torch._utils", "_rebuild_tensor_v2"
utils._rebuild_tensor_v2 = _rebuild_tensor_v2


class Storage:
    def __init__(self, dtype, key, content):
        self.dtype, self.key, self.content = dtype, key, content
        self.numel = len(content) // WIDTH[dtype]


class View:
    def __init__(self, storage, shape, strides):
        self.parts = (storage, 0, tuple(shape), tuple(strides), False, OrderedDict())

    def __reduce__(self):
        return utils._rebuild_tensor_v2, self.parts


class Pickler(pickle._Pickler):  # the one in Python, whose persistent_id may be a method
    def persistent_id(self, obj):
        legacy = (None,) if self.legacy else ()
        return ("storage", getattr(torch, STORAGE[obj.dtype]), obj.key, "cpu", obj.numel, *legacy) if isinstance(obj, Storage) else None


def pickled(obj, path, legacy):
    with open(path, "ab") as out:
        p = Pickler(out, protocol=2)
        p.legacy = legacy
        p.dump(obj)


def write_pytorch(path, tensors, legacy=False, flip=True):
    """A state_dict whose matrices are transposes of their storages, if `flip`."""
    state, storages = OrderedDict(), []
    for name, (dtype, shape, content) in tensors.items():
        flips = flip and len(shape) == 2
        storages.append(Storage(dtype, str(len(storages)), transposed(shape, content, WIDTH[dtype]) if flips else content))
        row_major = [math.prod(shape[i + 1:]) for i in range(len(shape))]
        state[name] = View(storages[-1], shape, [1, shape[0]] if flips else row_major)
    path.unlink(missing_ok=True)
    if legacy:
        for obj in (0x1950A86A20F9469CFC6C, 1001, {"protocol_version": 1001, "little_endian": True, "type_sizes": {"short": 2, "int": 4, "long": 4}},
                    state, [s.key for s in storages]):
            pickled(obj, path, legacy)
        with open(path, "ab") as out:
            for s in storages:
                out.write(struct.pack("<q", s.numel) + s.content)
        return
    pickled(state, path, legacy)
    content = path.read_bytes()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("model/data.pkl", content)
        archive.writestr("model/byteorder", "little")
        for s in storages:
            archive.writestr(f"model/data/{s.key}", s.content)
        archive.writestr("model/version", "3\n")


# --- TensorFlow ---

def masked_crc(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def varint(n):
    out = b""
    while n >= 128:
        out, n = out + bytes([n & 127 | 128]), n >> 7
    return out + bytes([n])


def block(entries):
    out, restarts, before = b"", [], b""
    for i, (key, value) in enumerate(entries):
        shared = 0
        if i % 16 == 0:
            restarts.append(len(out))
        else:
            while shared < min(len(key), len(before)) and key[shared] == before[shared]:
                shared += 1
        out, before = out + varint(shared) + varint(len(key) - shared) + varint(len(value)) + key[shared:] + value, key
    out += struct.pack(f"<{len(restarts) + 1}I", *restarts, len(restarts)) + b"\0"
    return out + struct.pack("<I", masked_crc(out))


def write_tensorflow(folder, variables):
    """Name -> (shape, bytes of f32), as TensorFlow 1's Saver writes them."""
    data, entries = b"", [(b"", b"\x08\x01\x1a\x02\x08\x01")]
    for name, (shape, content) in sorted(variables.items()):
        dims = b"".join(b"\x12" + varint(len(d)) + d for d in (b"\x08" + varint(n) for n in shape))
        entries.append((name.encode(), b"\x08\x01\x12" + varint(len(dims)) + dims + b"\x20" + varint(len(data)) + b"\x28" + varint(len(content)) +
                        b"\x35" + struct.pack("<I", masked_crc(content))))
        data += content
    table, handles = b"", []
    for part in (block(entries), block([])):
        handles.append(varint(len(table)) + varint(len(part) - 5))
        table += part
    index = block([(entries[-1][0], handles[0])])
    footer = (handles[1] + varint(len(table)) + varint(len(index) - 5)).ljust(40, b"\0") + struct.pack("<Q", 0xDB4775248B80FB57)
    (folder / "bert_model.ckpt.index").write_bytes(table + index + footer)
    (folder / "bert_model.ckpt.data-00000-of-00001").write_bytes(data)


class Convert(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.root = Path(scratch.name)
        self.out = self.root / "out"
        self.tensors = model()

    def folder(self, name="in"):
        path = self.root / name
        path.mkdir()
        (path / "config.json").write_text('{"model_type": "own",  "torch_dtype": "float32"}')
        (path / "tokenizer.json").write_text("{}")
        (path / "spiece.model").write_bytes(b"\0\1")
        return path

    def converted(self, folder, *options):
        result = run("--model", folder, "--out", self.out, *options)
        self.assertEqual(result.returncode, 0, result.stderr)
        return read_safetensors(self.out / "model.safetensors")

    def refused(self, *arguments, parts):
        result = run(*arguments)
        self.assertEqual(result.returncode, 1, result.stdout + result.stderr)
        for part in parts:
            self.assertIn(part, result.stderr)

    def test_every_form_gives_every_tensor_and_the_files_beside_it(self):
        for legacy in (False, True):
            for flip in (False, True):
                with self.subTest(legacy=legacy, flip=flip):
                    path = self.folder(f"torch-{legacy}-{flip}")
                    write_pytorch(path / "pytorch_model.bin", self.tensors, legacy, flip)
                    self.assertEqual(self.converted(path), self.tensors)
                    checked = run("--model", path, "--check")
                    self.assertEqual(checked.returncode, 0, checked.stderr)
                    self.assertIn("6 tensors, 75 elements", checked.stdout)
                    self.assertEqual("of another order" in checked.stdout, flip)
        self.assertEqual({p.name for p in self.out.iterdir()}, {"model.safetensors", "config.json", "tokenizer.json", "spiece.model"})
        self.assertEqual((self.out / "config.json").read_text(), (path / "config.json").read_text())

    def test_shards_in_and_shards_out(self):
        path = self.folder()
        names = list(self.tensors)
        parts = {"a.bin": names[:2], "b.bin": names[2:]}
        for file, part in parts.items():
            write_pytorch(path / file, {n: self.tensors[n] for n in part})
        (path / "pytorch_model.bin.index.json").write_text(json.dumps({"weight_map": {n: f for f, part in parts.items() for n in part}}))
        self.out.mkdir()
        (self.out / "model.safetensors").write_bytes(b"of an older conversion")
        (self.out / "model-00009-of-00009.safetensors").write_bytes(b"of an older one")
        result = run("--model", path, "--out", self.out, "--shard-size", 100)
        self.assertEqual(result.returncode, 0, result.stderr)
        index = json.loads((self.out / "model.safetensors.index.json").read_text())
        self.assertEqual(index["metadata"]["total_size"], sum(len(t[2]) for t in self.tensors.values()))
        found = {}
        for file in set(index["weight_map"].values()):
            part = read_safetensors(self.out / file)
            self.assertTrue(len(part) == 1 or sum(len(t[2]) for t in part.values()) <= 100)
            self.assertEqual({index["weight_map"][n] for n in part}, {file})
            found |= part
        self.assertEqual(found, self.tensors)
        self.assertEqual(len(list(self.out.glob("*.safetensors"))), len(set(index["weight_map"].values())))
        again = self.root / "again"
        self.assertEqual(run("--model", self.out, "--out", again).returncode, 0)
        self.assertEqual(read_safetensors(again / "model.safetensors"), self.tensors)
        (path / "b.bin").unlink()
        self.refused("--model", path, "--check", parts=["b.bin", "no such file"])

    def test_dtypes_are_rounded_and_whole_numbers_stay(self):
        path = self.folder()
        write_safetensors(path / "model.safetensors", self.tensors)
        for option, kind, name in (("f32", "F32", "float32"), ("f16", "F16", "float16"), ("bf16", "BF16", "bfloat16")):
            found = self.converted(path, "--dtype", option)
            self.assertEqual({t[0] for t in found.values()}, {kind, "I64"})
            self.assertEqual(json.loads((self.out / "config.json").read_text())["torch_dtype"], name)
            self.assertEqual(found["position_ids"], self.tensors["position_ids"])
            values = struct.unpack("<24f", self.tensors["block.0.weight"][2])
            right = {"f32": lambda x: struct.pack("<f", x), "f16": lambda x: struct.pack("<e", x),
                     "bf16": lambda x: struct.pack("<H", (struct.unpack("<I", struct.pack("<f", x))[0] + 0x7FFF + (struct.unpack("<I", struct.pack("<f", x))[0] >> 16 & 1)) >> 16)}
            self.assertEqual(found["block.0.weight"][2], b"".join(map(right[option], values)))
        self.tensors["large"] = ("F32", [1], struct.pack("<f", 70000))
        write_safetensors(path / "model.safetensors", self.tensors)
        self.refused("--model", path, "--out", self.out, "--dtype", "f16", parts=['tensor "large"', "65504", "70000 at 0"])

    def test_googles_folder_becomes_one_of_hugging_face(self):
        path = self.root / "in"
        path.mkdir()
        (path / "bert_config.json").write_text('{"hidden_size": 4}')
        (path / "vocab.txt").write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nCat\n")
        floats = lambda n: struct.pack(f"<{n}f", *range(n))
        write_tensorflow(path, {"bert/encoder/layer_0/intermediate/dense/kernel": ([4, 6], floats(24)), "bert/pooler/dense/bias": ([4], floats(4)),
                                "bert/pooler/dense/bias/adam_m": ([4], floats(4)), "global_step": ([], floats(1)), "cls/predictions/output_bias": ([6], floats(6)),
                                "cls/seq_relationship/output_weights": ([2, 4], floats(8))})
        self.assertEqual(self.converted(path), {
            "bert.encoder.layer.0.intermediate.dense.weight": ("F32", [6, 4], transposed([4, 6], floats(24), 4)), "bert.pooler.dense.bias": ("F32", [4], floats(4)),
            "cls.predictions.bias": ("F32", [6], floats(6)), "cls.seq_relationship.weight": ("F32", [2, 4], floats(8))})
        config = json.loads((self.out / "config.json").read_text())
        self.assertEqual(config, {"hidden_size": 4, "model_type": "bert", "architectures": ["BertForPreTraining"]})
        self.assertFalse(json.loads((self.out / "tokenizer_config.json").read_text())["do_lower_case"])
        self.assertEqual({p.name for p in self.out.iterdir()}, {"model.safetensors", "config.json", "vocab.txt", "tokenizer_config.json"})
        data = path / "bert_model.ckpt.data-00000-of-00001"
        data.write_bytes(data.read_bytes()[:-8] + b"\1" + data.read_bytes()[-7:])
        self.refused("--model", path, "--check", parts=["checksum disagrees"])
        data.unlink()
        self.refused("--model", path, "--check", parts=["data-00000-of-00001", "no such file"])

    def test_sentence_transformers_keep_their_modules(self):
        path = self.root / "in"
        path.mkdir()
        self.folder("in/0_Transformer")
        write_pytorch(path / "0_Transformer/pytorch_model.bin", self.tensors)
        (path / "modules.json").write_text(json.dumps([{"type": "sentence_transformers.models.Transformer", "path": "0_Transformer"},
                                                       {"type": "sentence_transformers.models.Pooling", "path": "1_Pooling"}]))
        (path / "1_Pooling").mkdir()
        (path / "1_Pooling/config.json").write_text("{}")
        result = run("--model", path, "--out", self.out)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(read_safetensors(self.out / "0_Transformer/model.safetensors"), self.tensors)
        self.assertTrue((self.out / "modules.json").exists() and (self.out / "1_Pooling/config.json").exists())

    def test_wrong_use_and_hostile_files_change_nothing(self):
        path = self.folder()
        for options in ([], ["--out", self.out, "--check"], ["--out", self.out, "--dtype", "int8"], ["--out", self.out, "--shard-size", "0"]):
            self.assertEqual(run("--model", path, *options).returncode, 2)
        self.refused("--model", path, "--out", self.out, parts=["no weights"])
        (path / "pytorch_model.bin").write_bytes(pickle.dumps({"a": print}, protocol=2))
        self.refused("--model", path, "--out", self.out, parts=["pytorch_model.bin"])
        write_pytorch(path / "pytorch_model.bin", self.tensors)
        whole = (path / "pytorch_model.bin").read_bytes()
        (path / "pytorch_model.bin").write_bytes(whole[:len(whole) // 2])
        self.refused("--model", path, "--out", self.out, parts=["pytorch_model.bin", "cut off"])
        self.assertFalse(self.out.exists())
        (path / "pytorch_model.bin").write_bytes(whole)
        self.refused("--model", path, "--out", path, parts=["another folder than --model"])


if __name__ == "__main__":
    unittest.main()
