#!/usr/bin/env python3
"""Turn a Llama-family GGUF with smollm's tokenizer into what transformers reads: a float32
folder with the dequantised weights, and a tokenizer.

usage: make_hf.py MODEL.gguf OUT_FOLDER

The tokenizer that transformers itself rebuilds from such a file loses the rule that digits
stand alone; this one is put together from the vocabulary and the merges.
"""
import os
import sys

from gguf import GGUFReader
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from transformers import AutoModelForCausalLM

CONTROL = 3  # tokenizer.ggml.token_type of special tokens


def write_weights(path, out):
    folder, name = os.path.split(os.path.abspath(path))
    model = AutoModelForCausalLM.from_pretrained(folder, gguf_file=name, dtype="float32")
    model.hf_quantizer = None  # else it refuses to be saved
    for mark in ("quantization_config", "_pre_quantization_dtype"):
        if hasattr(model.config, mark):
            delattr(model.config, mark)
    model.is_quantized = False
    model.save_pretrained(out)


def write_tokenizer(path, out):
    fields = GGUFReader(path).fields
    pre = fields["tokenizer.ggml.pre"].contents()
    if pre != "smollm":
        sys.exit("%s: pre-tokenizer %s; only smollm is known here" % (path, pre))
    texts = fields["tokenizer.ggml.tokens"].contents()
    kinds = fields["tokenizer.ggml.token_type"].contents()
    merges = [tuple(m.split(" ")) for m in fields["tokenizer.ggml.merges"].contents()]
    tokenizer = Tokenizer(models.BPE({s: i for i, s in enumerate(texts)}, merges))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Digits(individual_digits=True),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)])
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(s, special=True, normalized=False)
                                  for s, k in zip(texts, kinds) if k == CONTROL])
    tokenizer.save(os.path.join(out, "tokenizer.json"))


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    write_weights(*sys.argv[1:])
    write_tokenizer(*sys.argv[1:])
