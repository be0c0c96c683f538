"""The routes, one dialect a file."""
