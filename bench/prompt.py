"""What the first request of a session costs in tokens, counted by the default model's own tokenizer.

    .venv/bin/python bench/prompt.py

Starts the real server, renders the first request of `vtcode exec "say hi"` under each profile through the model's
template, and prints the tokens of the prompt and of its parts. The leanest peer with an edit tool opens with 1,198
tokens (o200k vocabulary); this vocabulary is smaller, so its counts are the higher ones.
"""

import json
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

BIN = Path(sys.executable).parent
REPOSITORY = Path(__file__).resolve().parents[1]


def captured(profile: str) -> dict[str, object]:
    """Run `vtcode exec` against a listener that keeps the request and hangs up; give its body."""
    listener = socket.create_server(("127.0.0.1", 0))
    bodies: list[bytes] = []

    def serve() -> None:
        listing = b'{"data":[{"id":"m"}]}'
        head = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
        for answer in (head % len(listing) + listing, b""):
            connection, _ = listener.accept()
            with connection:
                data = connection.recv(1 << 20)
                while b"content-length" in data.lower() and not data.rstrip().endswith(b"}"):
                    data += connection.recv(1 << 20)
                bodies.append(data.partition(b"\r\n\r\n")[2])
                connection.sendall(answer)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "vtcode.toml"
        config.write_text(f'[agent]\nprofile = "{profile}"\n')
        subprocess.run(
            [str(BIN / "vtcode"), "exec", "--config", str(config), "say hi"],
            env={"HOME": folder, "LMSTUDIO_BASE_URL": f"http://127.0.0.1:{listener.getsockname()[1]}/v1"},
            cwd=REPOSITORY / "examples" / "orchard",
            capture_output=True,
            timeout=60,
            check=False,
        )
    thread.join(10)
    listener.close()
    return json.loads(bodies[1])


def main() -> None:
    """Print a line a profile."""
    import xllamacpp

    model = next((REPOSITORY / ".cache" / "models").glob("*/*/*.gguf"))
    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(model)
    parameters.verbosity = 0
    server = xllamacpp.Server(parameters)
    import httpx2

    def tokens(value: object) -> int:
        text = value if isinstance(value, str) else json.dumps(value)
        answer = httpx2.post(f"{server.listening_address}/tokenize", json={"content": text})
        return len(answer.json()["tokens"])

    print(f"{'profile':<9}{'tools':>7}{'system':>8}{'other':>7}{'total':>7}  tokens of the first request")
    for profile in ("full", "compact", "guided"):
        body = captured(profile)
        messages = body["messages"]
        assert isinstance(messages, list)
        tools = sum(tokens(tool) for tool in body.get("tools", []))  # type: ignore[union-attr]
        system = tokens(messages[0]["content"])
        other = sum(tokens(message["content"]) for message in messages[1:])
        print(f"{profile:<9}{tools:7}{system:8}{other:7}{tools + system + other:7}")


if __name__ == "__main__":
    main()
