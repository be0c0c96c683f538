"""An adapter merged into a copy of its base: as fast as a model of its own, while the base stays what it is.

`have_merged` runs this module as a process of its own, since the work takes memory that a server should not keep.
"""

import glob
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from lmserver.engines import child
from lmserver.errors import StorageError
from lmserver.storage import require_room, storing, whole_file

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_TYPES: Final = re.compile(r"(?:Q4_0|Q8_0)(?:,[a-z_]{1,40}=(?:Q4_0|Q8_0)){0,8}")

MERGED_FOLDER: Final = ".merged"
"""Below the models folder; what begins with a dot is no model of the catalogue's."""
_DOWN, _UP = ".lora_a", ".lora_b"


class Merge(msgspec.Struct, frozen=True):
    """What is merged into what."""

    base: Path
    adapter: Path
    types: str
    """How the adapted weights are quantised, all others staying as they are; see `can_be_types`."""
    to: Path


def can_be_types(types: str) -> bool:
    """Tell whether an adapter says properly how its sum with the base is quantised.

    `Q8_0,ffn_up=Q4_0` is Q8_0 for all but those matrices whose names hold `ffn_up`.
    """
    return _TYPES.fullmatch(types) is not None


async def have_merged(wanted: Merge) -> None:
    """Make the copy, unless it is there.

    Raises:
        StorageError: there is no room for it, or the folder cannot be written; or the merge failed, with its reason.
    """
    if wanted.to.is_file():
        return
    process = await child.spawn("lmserver.merging")
    try:
        output, log = await process.communicate(msgspec.json.encode(wanted, enc_hook=str))
    finally:
        await child.end(process)
    if output != b"done":
        lines = output.decode(errors="replace").splitlines() or log.decode(errors="replace").strip().splitlines()
        raise StorageError(lines[-1] if lines else f"The merge {child.how_ended(process, 'ended')}.")


def merge(wanted: Merge) -> None:
    """Write the copy, whole or not at all.

    Raises:
        StorageError: there is no room for it, or the folder cannot be written.
        ValueError: one of the files is damaged, or the adapter is not of this base.
    """
    with storing(wanted.to):
        wanted.to.parent.mkdir(parents=True, exist_ok=True)
        require_room(wanted.to.parent, wanted.base.stat().st_size * 2)
        with whole_file(wanted.to) as file:
            _write(wanted, Path(file.name))
        # Of an adapter that was there before this one; nobody will ask for them again.
        for other in wanted.to.parent.glob(f"{glob.escape(wanted.base.stem)}.*.gguf"):
            if other != wanted.to:
                other.unlink(missing_ok=True)


def _write(wanted: Merge, to: Path) -> None:
    # Imported here: the server, which asks for merges, does not need it.
    import gguf
    import numpy as np

    base, adapter = gguf.GGUFReader(wanted.base), gguf.GGUFReader(wanted.adapter)
    parts = {each.name: _floats(each) for each in adapter.tensors}
    writer = gguf.GGUFWriter(to, _text(base, "general.architecture"))
    for field in base.fields.values():
        if field.name.startswith("GGUF.") or field.name == "general.architecture":
            continue
        value = field.contents()
        if field.name == "general.file_type":
            value = gguf.LlamaFileType[f"MOSTLY_{_type_of('', wanted.types)}"]
        writer.add_key_value(field.name, value, field.types[0], field.types[-1] if len(field.types) > 1 else None)
    for tensor in base.tensors:
        down, up = parts.get(tensor.name + _DOWN), parts.get(tensor.name + _UP)
        if up is None or down is None:
            writer.add_tensor(tensor.name, tensor.data, raw_dtype=tensor.tensor_type)
            continue
        merged = _floats(tensor) + _scale(adapter, down) * (up @ down)
        kind = gguf.GGMLQuantizationType[_type_of(tensor.name, wanted.types)]
        writer.add_tensor(tensor.name, gguf.quantize(merged.astype(np.float32), kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _type_of(name: str, types: str) -> str:
    usual, *others = types.split(",")
    for part, _, kind in (other.partition("=") for other in others):
        if part in name:
            return kind
    return usual


def _floats(tensor: Any) -> "NDArray[np.float32]":
    import gguf

    return gguf.dequantize(tensor.data, tensor.tensor_type).astype("float32")


def _scale(adapter: Any, down: "NDArray[np.float32]") -> float:
    """Give an adapter's strength: alpha over rank."""
    alpha = float(adapter.fields["adapter.lora.alpha"].contents())
    return alpha / down.shape[0] if alpha else 1.0


def _text(reader: Any, name: str) -> str:
    return str(reader.fields[name].contents())


def main() -> None:
    """Do one merge, told on standard input; print `done`, or why not."""
    try:
        merge(msgspec.json.decode(sys.stdin.buffer.read(), type=Merge, dec_hook=lambda _, value: Path(value)))
    except (StorageError, ImportError, ValueError, KeyError, MemoryError) as error:
        sys.exit(print(str(error) or type(error).__name__))
    print("done", end="")


if __name__ == "__main__":
    main()
