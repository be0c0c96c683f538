"""The server behind the command `lmstudio`: local models over OpenAI's HTTP API."""

__version__ = "0.1.0"
