"""A Docker Engine for machines where none can run: no root, no daemon, no kernel privileges."""

__version__ = "1.0.0"
