"""Writes base BERT with random weights as a GGUF file for llama.cpp: matrices in bf16, vectors in f32.

python3 llama_gguf.py FILE     needs python3-gguf and numpy
"""
import sys

import gguf
import numpy as np

H, L, A, F, V, P = 768, 12, 12, 3072, 30522, 512
rng = np.random.default_rng(0)
out = gguf.GGUFWriter(sys.argv[1], "bert")
out.add_context_length(P)
out.add_embedding_length(H)
out.add_feed_forward_length(F)
out.add_block_count(L)
out.add_head_count(A)
out.add_layer_norm_eps(1e-12)
out.add_causal_attention(False)
out.add_pooling_type(gguf.PoolingType.NONE)
out.add_file_type(gguf.LlamaFileType.MOSTLY_BF16)
out.add_tokenizer_model("bert")
out.add_tokenizer_pre("default")
out.add_token_type_count(2)
out.add_token_list(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"] + [f"▁piece{i}" for i in range(5, V)])
out.add_token_types([gguf.TokenType.CONTROL] * 5 + [gguf.TokenType.NORMAL] * (V - 5))
for special, i in (("pad", 0), ("unk", 1), ("bos", 2), ("sep", 3), ("mask", 4)):
    getattr(out, f"add_{special}_token_id")(i)


def matrix(name, rows, cols):
    data = gguf.quants.quantize((rng.standard_normal((rows, cols)) * 0.02).astype(np.float32), gguf.GGMLQuantizationType.BF16)
    out.add_tensor(name + ".weight", data, raw_dtype=gguf.GGMLQuantizationType.BF16)


def vector(name, size, value=0.0):
    out.add_tensor(name, np.full(size, value, np.float32))


def norm(name):
    vector(name + ".weight", H, 1.0)
    vector(name + ".bias", H)


matrix("token_embd", V, H)
for name, rows in (("position_embd", P), ("token_types", 2)):
    out.add_tensor(name + ".weight", (rng.standard_normal((rows, H)) * 0.02).astype(np.float32))
norm("token_embd_norm")
for l in range(L):
    for name, rows, cols in (("attn_q", H, H), ("attn_k", H, H), ("attn_v", H, H), ("attn_output", H, H), ("ffn_up", F, H), ("ffn_down", H, F)):
        matrix(f"blk.{l}.{name}", rows, cols)
        vector(f"blk.{l}.{name}.bias", rows)
    norm(f"blk.{l}.attn_output_norm")
    norm(f"blk.{l}.layer_output_norm")
out.write_header_to_file()
out.write_kv_data_to_file()
out.write_tensors_to_file()
out.close()
