"""Settings that administrators change while the portal runs. The apps read them by `value(name)`; they change through `changing` alone."""

from __future__ import annotations

from cmlmanager.runtime.reading import value

__all__ = ["value"]
