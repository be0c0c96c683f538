"""The child process that holds one GGUF model in llama.cpp and serves it on loopback.

It reads its settings as one JSON line on standard input, answers with one JSON line on standard output
(`{"url": …}` or `{"error": …}`) and lives until standard input closes, so that it never outlives its parent.
A separate process, since a bad file, an abort or an out-of-memory kill must end one model and not the
server, and since only an exit truly frees the memory.
"""

import os
import sys
from typing import Any, Literal

import msgspec


class ChildSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What the parent decides."""

    path: str
    key: str
    """The child's HTTP server reflects any Origin, so this key is what keeps a web page out."""
    context_length: int
    parallel: int
    threads: int
    chat_template: str
    cache_mib: int
    batch: int = 256
    """Tokens of a prompt that are read at a time."""
    gpu_layers: int = -1
    """Layers that are computed on a GPU if there is one; -1 means all."""
    draft_path: str = ""
    """The file of a smaller model that guesses ahead."""
    speculation: Literal["none", "ngram"] = "none"
    """How to guess ahead without one."""
    adapter_path: str = ""
    """The file of a LoRA adapter that is laid over the model."""
    adapter_prefix: str = ""
    """How the instructions begin that the adapter is for; empty means all."""
    embeddings: bool = False
    """Whether the model gives one vector for a text instead of a next token."""

    def __repr__(self) -> str:
        """Leave the key out: reprs end up in logs and traces."""
        return f"ChildSettings({self.path!r})"


def _start(settings: ChildSettings) -> Any:
    # Imported here alone: the parent, which knows these settings too, must never map the engine's library.
    import xllamacpp

    # The extension has no types.
    engine: Any = xllamacpp
    parameters = engine.CommonParams()
    parameters.model.path = settings.path
    parameters.n_ctx = settings.context_length
    parameters.n_parallel = settings.parallel
    # One pool for all slots: a lone request may use the whole context.
    parameters.kv_unified = True
    # Other streams, and a cancel, wait for the end of a batch.
    parameters.n_batch = parameters.n_ubatch = settings.batch
    parameters.n_gpu_layers = settings.gpu_layers
    if settings.embeddings:
        parameters.embedding = True
        # A text is read both ways, so it has to be in one batch.
        parameters.n_batch = parameters.n_ubatch = settings.context_length
    parameters.cache_ram_mib = settings.cache_mib
    parameters.cpuparams.n_threads = settings.threads
    parameters.cpuparams_batch.n_threads = settings.threads
    parameters.api_keys = [settings.key]
    parameters.endpoint_slots = True
    parameters.ui = False
    if settings.chat_template:
        parameters.chat_template = settings.chat_template
    if settings.adapter_path:
        adapter = engine.CommonAdapterLoraInfo()
        adapter.path, adapter.scale = settings.adapter_path, 1.0
        parameters.lora_adapters = [adapter]
    kinds = engine.common_speculative_type
    if settings.draft_path:
        parameters.speculative.draft.mparams.path = settings.draft_path
        parameters.speculative.types = [kinds.COMMON_SPECULATIVE_TYPE_DRAFT_SIMPLE]
    elif settings.speculation == "ngram":
        parameters.speculative.types = [kinds.COMMON_SPECULATIVE_TYPE_NGRAM_MAP_K4V]
    return engine.Server(parameters)


def main() -> None:
    """Serve until the parent goes."""
    settings = msgspec.json.decode(sys.stdin.buffer.readline(), type=ChildSettings)
    try:
        server = _start(settings)
    except (ImportError, RuntimeError, ValueError, MemoryError) as error:
        answer = {"error": str(error)}
    else:
        answer = {"url": str(server.listening_address)}
    sys.stdout.buffer.write(msgspec.json.encode(answer) + b"\n")
    sys.stdout.flush()
    if "url" in answer:
        sys.stdin.buffer.read()
    # The parent decides when a model ends; destructors that wait for running slots would only delay it.
    os._exit(0 if "url" in answer else 1)


if __name__ == "__main__":
    main()
