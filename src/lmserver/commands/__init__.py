"""The commands of `lmstudio`, one subject a file: `add` puts a subject's parsers among the commands.

These modules are imported for every command line, also for `--help`: what takes long to import is imported inside
the function that needs it.
"""
