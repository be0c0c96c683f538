"""The wire as values: what a client and a server say to each other, without any I/O."""
