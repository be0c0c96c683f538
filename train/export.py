"""A trained adapter → a GGUF file that llama.cpp applies to the base."""

import hashlib
from pathlib import Path

import gguf
import numpy as np

from train import format as prompts
from train.fit import Plan
from train.model import MERGED_TYPES, Student
from vtcode.compact import COMPACT_INSTRUCTIONS


def export(student: Student, plan: Plan, base: Path, to: Path) -> None:
    """Write the adapter in half precision, with what it was made of and for in its header."""
    writer = gguf.GGUFWriter(to, "llama")
    writer.add_type("adapter")
    writer.add_name("SmolLM2-135M-Instruct for vtcode")
    writer.add_license("apache-2.0")
    writer.add_string("adapter.type", "lora")
    # The adapter's share is alpha / rank: 1.
    writer.add_float32("adapter.lora.alpha", float(plan.rank))
    # Other programs' requests get the base alone.
    writer.add_string("adapter.lora.prompt_prefix", COMPACT_INSTRUCTIONS.partition(";")[0])
    writer.add_string("vtcode.base_sha256", hashlib.sha256(base.read_bytes()).hexdigest())
    # The sum of both was rounded so while it learned.
    writer.add_string("vtcode.merged_types", MERGED_TYPES)
    writer.add_string("vtcode.format", prompts.digest())
    writer.add_uint32("vtcode.samples", plan.samples)
    writer.add_uint32("vtcode.seed", plan.seed)
    for name, down, up in student.adapter():
        writer.add_tensor(f"{name}.lora_a", down.float().numpy().astype(np.float16))
        writer.add_tensor(f"{name}.lora_b", up.float().numpy().astype(np.float16))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
