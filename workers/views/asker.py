"""Who asks for an operation, for the pages."""

from workers.asker import asker

__all__ = ["asker"]
