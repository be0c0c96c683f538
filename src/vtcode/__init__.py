"""A coding agent for the terminal whose model runs on the user's own hardware."""

__version__ = "0.1.0"
