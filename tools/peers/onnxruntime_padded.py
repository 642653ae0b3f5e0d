"""ONNX Runtime on the ragged batch of bench/workloads.hpp, padded to its longest sequence as ONNX Runtime must.

python3 onnxruntime_padded.py FOLDER [THREADS]     FOLDER holds base.f32.onnx: inputs ids, segments, mask [S, T] of int32
"""
import json
import statistics
import sys
import time

import numpy as np
import onnxruntime

folder, threads = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 2
# bench::ragged_lengths: 64 sequences of 8 to 128 tokens, 40 on average.
places = [s * 37 % 64 for s in range(64)]
lengths = [8 + 120 * s * s * (s + 17) // (63 * 63 * 80) for s in places]
longest = max(lengths)
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = threads
session = onnxruntime.InferenceSession(f"{folder}/base.f32.onnx", options, providers=["CPUExecutionProvider"])
mask = np.array([[int(t < n) for t in range(longest)] for n in lengths], np.int32)
feed = dict(ids=np.random.randint(0, 30000, mask.shape).astype(np.int32) * mask, segments=np.zeros_like(mask), mask=mask)
session.run(None, feed)
seconds = []
for _ in range(3):
    start = time.perf_counter()
    session.run(None, feed)
    seconds.append(time.perf_counter() - start)
s = statistics.median(seconds)
print(json.dumps(dict(system="onnxruntime-f32", model="base", shape="ragged", threads=threads, ms=round(s * 1e3, 2),
                      tokens_per_s=round(sum(lengths) / s))))
