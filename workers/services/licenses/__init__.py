"""Licences: what CML tells of them, tokens on their way, and seats in doubt. The steps are in `operations.licensing`."""
