"""Versions of labs: kept, compared, brought back, handed out, and let go."""
