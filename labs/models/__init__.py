"""Labs on workers, the versions that were kept of them, files on their way, and how their reading goes."""

from labs.models.check import LabsCheck
from labs.models.file import LabFile
from labs.models.lab import Lab
from labs.models.version import LabsBackup, LabVersion, LabYaml

__all__ = ["Lab", "LabFile", "LabVersion", "LabYaml", "LabsBackup", "LabsCheck"]
