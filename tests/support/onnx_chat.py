"""Builds a folder for ONNX Runtime's generator from the default model's GGUF file; used at build time only."""

import json
import sys
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer

MICROSOFT = "com.microsoft"


class _Graph:
    """A graph that is written node by node."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []

    def add(self, operator: str, inputs: list[str], *outputs: str, domain: str = "", **attributes: Any) -> str:
        node = helper.make_node(
            operator, inputs, outputs, f"{operator}_{len(self.nodes)}", domain=domain, **attributes
        )
        self.nodes.append(node)
        return outputs[0]

    def weight(self, name: str, values: Any) -> str:
        self.weights.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name


def build(source: Path, folder: Path) -> None:
    """Write graph, settings and tokenizer into `folder`."""
    reader = gguf.GGUFReader(source)
    facts = {name: field.contents() for name, field in reader.fields.items()}
    folder.mkdir(parents=True, exist_ok=True)
    _write_graph(reader, facts, folder / "model.onnx")
    _write_settings(facts, folder)
    _write_tokenizer(facts, folder)


def _write_graph(reader: gguf.GGUFReader, facts: dict[str, Any], path: Path) -> None:
    tensors = {each.name: gguf.dequantize(each.data, each.tensor_type) for each in reader.tensors}
    blocks, heads, groups = (
        facts[f"llama.{name}"] for name in ("block_count", "attention.head_count", "attention.head_count_kv")
    )
    epsilon, context = facts["llama.attention.layer_norm_rms_epsilon"], facts["llama.context_length"]
    width, size = facts["llama.embedding_length"], facts["llama.rope.dimension_count"]
    graph = _Graph()

    def linear(x: str, name: str, output: str) -> str:
        return graph.add("MatMul", [x, graph.weight(name, tensors[name].T)], output)

    def norm(x: str, name: str, output: str) -> str:
        scale = graph.weight(name, tensors[name])
        return graph.add("SimplifiedLayerNormalization", [x, scale], output, axis=-1, epsilon=epsilon, stash_type=1)

    angles = np.outer(np.arange(context), facts["llama.rope.freq_base"] ** (-np.arange(0, size, 2) / size))
    graph.weight("cosines", np.cos(angles).astype(np.float32))
    graph.weight("sines", np.sin(angles).astype(np.float32))
    graph.weight("one", np.array([1], np.int64))
    graph.add("ReduceSum", ["attention_mask", "one"], "lengths", keepdims=0)
    graph.add("Sub", ["lengths", "one"], "last")
    graph.add("Cast", ["last"], "seqlens_k", to=TensorProto.INT32)
    graph.add("Shape", ["attention_mask"], "mask_shape", start=1, end=2)
    graph.weight("scalar", np.array([], np.int64))
    graph.add("Reshape", ["mask_shape", "scalar"], "total_long")
    graph.add("Cast", ["total_long"], "total", to=TensorProto.INT32)
    x = graph.add("Gather", [graph.weight("token_embd.weight", tensors["token_embd.weight"]), "input_ids"], "x")
    caches: list[str] = []
    for block in range(blocks):
        own = f"blk.{block}"
        normed = norm(x, f"{own}.attn_norm.weight", f"{own}.normed")
        query, key, value = (linear(normed, f"{own}.attn_{which}.weight", f"{own}.{which}") for which in "qkv")
        past = [f"past_key_values.{block}.{which}" for which in ("key", "value")]
        present = [f"present.{block}.{which}" for which in ("key", "value")]
        caches += past
        graph.add(
            "GroupQueryAttention",
            [query, key, value, *past, "seqlens_k", "total", "cosines", "sines"],
            f"{own}.attended",
            *present,
            domain=MICROSOFT,
            num_heads=heads,
            kv_num_heads=groups,
            do_rotary=1,
            # GGUF keeps the halves of each head interleaved.
            rotary_interleaved=1,
        )
        x = graph.add("Add", [x, linear(f"{own}.attended", f"{own}.attn_output.weight", f"{own}.o")], f"{own}.x")
        normed = norm(x, f"{own}.ffn_norm.weight", f"{own}.ffn_normed")
        gate = linear(normed, f"{own}.ffn_gate.weight", f"{own}.gate")
        graph.add("Sigmoid", [gate], f"{own}.sigmoid")
        graph.add("Mul", [gate, f"{own}.sigmoid"], f"{own}.silu")
        graph.add("Mul", [f"{own}.silu", linear(normed, f"{own}.ffn_up.weight", f"{own}.up")], f"{own}.inner")
        x = graph.add("Add", [x, linear(f"{own}.inner", f"{own}.ffn_down.weight", f"{own}.down")], f"{own}.out")
    normed = norm(x, "output_norm.weight", "output_normed")
    head = graph.weight("head", tensors["token_embd.weight"].T)
    graph.add("MatMul", [normed, head], "logits")

    def long(name: str, length: str) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", length])

    def cache(name: str, length: str) -> onnx.ValueInfoProto:
        shape = ["batch", groups, length, size]
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)

    logits = helper.make_tensor_value_info(
        "logits", TensorProto.FLOAT, ["batch", "length", len(tensors["token_embd.weight"])]
    )
    assert width == tensors["token_embd.weight"].shape[1]
    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            "decoder",
            [long("input_ids", "length"), long("attention_mask", "total"), *(cache(name, "past") for name in caches)],
            [logits, *(cache(name.replace("past_key_values", "present"), "total") for name in caches)],
            graph.weights,
        ),
        opset_imports=[helper.make_opsetid("", 18), helper.make_opsetid(MICROSOFT, 1)],
        ir_version=10,
    )
    quantizer = MatMulNBitsQuantizer(model, block_size=32, is_symmetric=False, accuracy_level=4)
    quantizer.process()
    # Its own wrapper of the model, whatever the annotation says.
    wrapper: Any = quantizer.model
    onnx.save(wrapper.model, path)


def _write_settings(facts: dict[str, Any], folder: Path) -> None:
    context = facts["llama.context_length"]
    names = {
        f"{way}_{which}_names": f"{group}.%d.{which}"
        for way, group in (("past", "past_key_values"), ("present", "present"))
        for which in ("key", "value")
    }
    decoder = {
        "session_options": {"log_id": "onnxruntime-genai", "provider_options": []},
        "filename": "model.onnx",
        "head_size": facts["llama.rope.dimension_count"],
        "hidden_size": facts["llama.embedding_length"],
        "num_attention_heads": facts["llama.attention.head_count"],
        "num_hidden_layers": facts["llama.block_count"],
        "num_key_value_heads": facts["llama.attention.head_count_kv"],
        "inputs": {
            "input_ids": "input_ids",
            "attention_mask": "attention_mask",
            **{key: value for key, value in names.items() if key.startswith("past")},
        },
        "outputs": {"logits": "logits", **{key: value for key, value in names.items() if key.startswith("present")}},
    }
    settings = {
        "model": {
            "type": "llama",
            "bos_token_id": facts["tokenizer.ggml.bos_token_id"],
            "eos_token_id": facts["tokenizer.ggml.eos_token_id"],
            "pad_token_id": facts["tokenizer.ggml.padding_token_id"],
            "vocab_size": facts["llama.vocab_size"],
            "context_length": context,
            "decoder": decoder,
        },
        "search": {"max_length": context, "do_sample": False, "past_present_share_buffer": True},
    }
    (folder / "genai_config.json").write_text(json.dumps(settings, indent=2))


def _write_tokenizer(facts: dict[str, Any], folder: Path) -> None:
    tokens: list[str] = facts["tokenizer.ggml.tokens"]
    kinds: list[int] = facts["tokenizer.ggml.token_type"]
    special = [index for index, kind in enumerate(kinds) if kind == gguf.TokenType.CONTROL]
    added = [
        {
            "id": index,
            "content": tokens[index],
            "special": True,
            "single_word": False,
            "lstrip": False,
            "rstrip": False,
            "normalized": False,
        }
        for index in special
    ]
    split = [
        {"type": "Digits", "individual_digits": True},
        {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True},
    ]
    tokenizer = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": added,
        "normalizer": None,
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": split},
        "post_processor": None,
        "decoder": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "vocab": {token: index for index, token in enumerate(tokens)},
            "merges": facts["tokenizer.ggml.merges"],
        },
    }
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    settings = {
        "tokenizer_class": "GPT2Tokenizer",
        "add_prefix_space": False,
        "bos_token": tokens[facts["tokenizer.ggml.bos_token_id"]],
        "eos_token": tokens[facts["tokenizer.ggml.eos_token_id"]],
        "unk_token": tokens[facts["tokenizer.ggml.unknown_token_id"]],
        "pad_token": tokens[facts["tokenizer.ggml.padding_token_id"]],
        "model_max_length": facts["llama.context_length"],
        "chat_template": facts["tokenizer.chat_template"],
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings, indent=2))


if __name__ == "__main__":
    build(Path(sys.argv[1]), Path(sys.argv[2]))
