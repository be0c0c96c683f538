"""Teaches the default model the agent's tools: data, training, the adapter, and what it is worth."""
