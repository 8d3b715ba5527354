"""Labs on workers, the versions that were kept of them, and how their reading goes."""

from labs.models.check import LabsCheck
from labs.models.lab import Lab
from labs.models.version import LabVersion, LabYaml

__all__ = ["Lab", "LabVersion", "LabYaml", "LabsCheck"]
