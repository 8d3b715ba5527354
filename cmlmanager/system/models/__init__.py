"""Rows of the system page: how checks came out, jobs and their runs, and processes that live."""

from cmlmanager.system.models.job import Job, JobRun
from cmlmanager.system.models.process import Process
from cmlmanager.system.models.result import CheckResult

__all__ = ["CheckResult", "Job", "JobRun", "Process"]
