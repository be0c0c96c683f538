"""The base model in PyTorch, dequantised and frozen, with a LoRA adapter on the seven projections of each block.

It learns as it will be served: the server adds the adapter to the base and quantises the sum anew. Where that is to
four bits, each step computes with the rounded sum, while gradients pass through the rounding as if there were none
(Bengio et al. 2013).
"""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import gguf
import torch
import torch.nn.functional as F
from torch import Tensor, nn

GROUPS: Final = {
    "attn_in": ("attn_q", "attn_k", "attn_v"),
    "attn_output": ("attn_output",),
    "ffn_in": ("ffn_gate", "ffn_up"),
    "ffn_down": ("ffn_down",),
}
"""Projections that read the same input are computed at once: on small matrices, half of the time is overhead."""
ROUNDED: Final = "ffn_in"
"""The group that is served in Q4_0, half of all weights; Q8_0, which the others have, is as exact as bfloat16."""
MERGED_TYPES: Final = ",".join(("Q8_0", *(f"{name}=Q4_0" for name in GROUPS[ROUNDED])))
"""The same for the server, in the words of llama.cpp's `--tensor-type`."""


class Projection(nn.Module):
    """One or more frozen matrices of the same input, each with an adapter of its own."""

    def __init__(self, weights: list[Tensor], rank: int, dtype: torch.dtype, *, is_rounded: bool) -> None:
        super().__init__()
        self.sizes = [weight.shape[0] for weight in weights]
        self.rank = rank
        self.is_rounded = is_rounded
        self.register_buffer("exact", torch.cat(weights), persistent=False)
        self.register_buffer("weight", torch.cat(weights).to(dtype), persistent=False)
        inputs = weights[0].shape[1]
        self.down = nn.Parameter(torch.empty(rank * len(weights), inputs))
        self.up = nn.ParameterList(nn.Parameter(torch.zeros(size, rank)) for size in self.sizes)
        nn.init.kaiming_uniform_(self.down, a=math.sqrt(5))

    @torch.no_grad()
    def merge(self) -> None:
        """Add what has been learned so far, and quantise the sum where it is served so."""
        downs = self.down.split(self.rank)
        merged = self.exact + torch.cat([up @ down for up, down in zip(self.up, downs, strict=True)])
        self.weight = (as_q4_0(merged) if self.is_rounded else merged).to(self.weight.dtype)

    def forward(self, x: Tensor) -> Tensor:
        return _Merged.apply(x, self.weight, self.down, *self.up)


class _Merged(torch.autograd.Function):
    """A product with the merged weights, whose gradients go to the adapters that they were merged from.

    On a CPU, a step takes an eighth less than with the adapters' own products, which are small ones, beside it.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, down: Tensor, *ups: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight, down, *ups)
        return F.linear(x, weight)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, down, *ups = ctx.saved_tensors
        grad = grads[0]
        flat, given = x.flatten(0, -2), grad.flatten(0, -2)
        rank = ups[0].shape[1]
        lows = F.linear(flat, down.to(x.dtype)).split(rank, -1)
        parts = given.split([up.shape[0] for up in ups], -1)
        of_ups = [part.T @ low for part, low in zip(parts, lows, strict=True)]
        of_lows = torch.cat([part @ up.to(x.dtype) for part, up in zip(parts, ups, strict=True)], -1)
        return grad @ weight, None, (of_lows.T @ flat).to(down.dtype), *(each.to(down.dtype) for each in of_ups)


class Block(nn.Module):
    """Attention and a gated feed-forward network."""

    def __init__(self, tensors: dict[str, Tensor], index: int, heads: tuple[int, int], rank: int, dtype: torch.dtype):
        super().__init__()
        self.heads, self.kv_heads = heads
        self.register_buffer("attn_norm", tensors[f"blk.{index}.attn_norm.weight"].to(dtype), persistent=False)
        self.register_buffer("ffn_norm", tensors[f"blk.{index}.ffn_norm.weight"].to(dtype), persistent=False)
        for group, names in GROUPS.items():
            weights = [tensors[f"blk.{index}.{name}.weight"] for name in names]
            setattr(self, group, Projection(weights, rank, dtype, is_rounded=group == ROUNDED))

    def qkv(self, x: Tensor, turn: tuple[Tensor, Tensor], eps: float) -> tuple[Tensor, Tensor, Tensor]:
        mixed = self.attn_in(F.rms_norm(x, x.shape[-1:], self.attn_norm, eps))
        q, k, v = mixed.split(self.attn_in.sizes, -1)
        batch, length = x.shape[:2]
        size = q.shape[-1] // self.heads
        q = rotated(q.view(batch, length, self.heads, size), turn).transpose(1, 2)
        k = rotated(k.view(batch, length, self.kv_heads, size), turn).transpose(1, 2)
        return q, k, v.view(batch, length, self.kv_heads, size).transpose(1, 2)

    def rest(self, x: Tensor, attended: Tensor, eps: float) -> Tensor:
        x = x + self.attn_output(attended.transpose(1, 2).flatten(2))
        gate, up = self.ffn_in(F.rms_norm(x, x.shape[-1:], self.ffn_norm, eps)).chunk(2, -1)
        return x + self.ffn_down(F.silu(gate) * up)


class Student(nn.Module):
    """The whole model; only the adapter has gradients."""

    def __init__(self, path: Path, *, rank: int, dtype: torch.dtype = torch.bfloat16) -> None:
        super().__init__()
        reader = gguf.GGUFReader(path)

        def fact(name: str) -> int | float:
            return reader.fields[f"llama.{name}"].contents()

        tensors = {
            tensor.name: torch.from_numpy(gguf.dequantize(tensor.data, tensor.tensor_type).copy())
            for tensor in reader.tensors
        }
        heads = int(fact("attention.head_count")), int(fact("attention.head_count_kv"))
        self.eps = float(fact("attention.layer_norm_rms_epsilon"))
        self.base = float(fact("rope.freq_base"))
        self.head_size = int(fact("rope.dimension_count"))
        self.register_buffer("embedding", tensors["token_embd.weight"].to(dtype), persistent=False)
        self.register_buffer("norm", tensors["output_norm.weight"].to(dtype), persistent=False)
        self.blocks = nn.ModuleList(
            Block(tensors, index, heads, rank, dtype) for index in range(int(fact("block_count")))
        )

    def loss(self, instructions: Tensor, ids: Tensor, is_learned: Tensor) -> tuple[Tensor, int]:
        """Sum the loss on the learned tokens of a batch, and count them.

        The instructions are the same for all rows, so they are computed once, with exact gradients: rows attend to
        their one set of keys and values.

        Args:
            instructions: the tokens that each row begins with.
            ids: a row a conversation, padded at its end.
            is_learned: which of `ids` count.
        """
        for part in self.modules():
            if isinstance(part, Projection):
                part.merge()
        before, length = len(instructions), ids.shape[1]
        first, x = self.embedding[instructions][None], self.embedding[ids]
        turns = self._turns(before + length)
        early = turns[0][:before], turns[1][:before]
        late = turns[0][before:], turns[1][before:]
        mask = masked(length, before, x)
        own = masked(before, 0, x)
        for block in self.blocks:
            q0, k0, v0 = block.qkv(first, early, self.eps)
            q, k, v = block.qkv(x, late, self.eps)
            rows = len(ids)
            keys = torch.cat((k0.expand(rows, -1, -1, -1), k), 2)
            values = torch.cat((v0.expand(rows, -1, -1, -1), v), 2)
            attended = attention(q, keys, values, mask)
            x = block.rest(x, attended, self.eps)
            attended0 = attention(q0, k0, v0, own)
            first = block.rest(first, attended0, self.eps)
        # What is learned first follows a token of the row itself: each begins with the person's words.
        wanted = is_learned[:, 1:]
        final = F.rms_norm(x[:, :-1][wanted], x.shape[-1:], self.norm, self.eps)
        logits = F.linear(final, self.embedding).float()
        return F.cross_entropy(logits, ids[:, 1:][wanted], reduction="sum"), int(wanted.sum())

    def adapter(self) -> Iterator[tuple[str, Tensor, Tensor]]:
        """Give each adapted matrix's name, and its two small ones."""
        for index, block in enumerate(self.blocks):
            for group, names in GROUPS.items():
                projection = getattr(block, group)
                for name, down, up in zip(names, projection.down.split(projection.rank), projection.up, strict=True):
                    yield f"blk.{index}.{name}.weight", down.detach(), up.detach()

    def _turns(self, length: int) -> tuple[Tensor, Tensor]:
        steps = torch.arange(0, self.head_size, 2, device=self.embedding.device).float() / self.head_size
        angles = torch.arange(length, device=self.embedding.device).float()[:, None] * self.base**-steps
        return angles.cos()[:, None], angles.sin()[:, None]


def as_q4_0(weight: Tensor) -> Tensor:
    """Round to what llama.cpp's Q4_0 can hold: 32 weights a block, each a sixteenth of twice the largest."""
    blocks = weight.view(-1, 32)
    low, high = blocks.aminmax(dim=-1, keepdim=True)
    scale = torch.where(-low >= high, low, high) / -8
    steps = torch.where(scale == 0, 0, 1 / scale)
    levels = (blocks * steps).add_(8.5).trunc_().clamp_(0, 15).sub_(8)
    return levels.mul_(scale.half().float()).view(weight.shape)


def rotated(x: Tensor, turn: tuple[Tensor, Tensor]) -> Tensor:
    """Turn pairs of neighbours by their place: GGUF's order of the `llama` architecture."""
    cos, sin = turn
    even, odd = x.float().unflatten(-1, (-1, 2)).unbind(-1)
    return torch.stack((even * cos - odd * sin, even * sin + odd * cos), -1).flatten(-2).to(x.dtype)


def masked(length: int, before: int, like: Tensor) -> Tensor:
    """Give what is added to the scores: each token sees all that comes before it."""
    unseen = torch.ones(length, before + length, dtype=torch.bool, device=like.device).triu(before + 1)
    return torch.zeros_like(unseen, dtype=like.dtype).masked_fill(unseen, -math.inf)


def attention(q: Tensor, k: Tensor, v: Tensor, mask: Tensor) -> Tensor:
    """Attend, several heads to each head of keys; on a CPU, plain products take half of the fused function's time."""
    rows, heads, length, size = q.shape
    grouped = q.reshape(rows, k.shape[1], -1, size) * size**-0.5
    scores = (grouped @ k.transpose(2, 3)).view(rows, heads, length, -1) + mask
    return (scores.softmax(-1).view(rows, k.shape[1], -1, k.shape[2]) @ v).view(q.shape)
