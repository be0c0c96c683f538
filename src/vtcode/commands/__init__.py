"""The commands of `vtcode`, a module a subject; `vtcode.cli` imports the one that was asked for."""
