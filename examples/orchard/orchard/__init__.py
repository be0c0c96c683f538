"""Keeps stock of fruit."""
