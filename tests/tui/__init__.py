"""Tests of the window, in a real terminal."""
