"""The terminal UI: finished output goes to the terminal's own scrollback, a small live region below is redrawn."""
