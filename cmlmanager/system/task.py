"""The class of every Celery task: those of the timetable are jobs, which are counted, kept, and may be paused."""

from __future__ import annotations

from typing import Any

from celery import Task


class JobTask(Task):
    """A task like any other; when Celery runs it and it is a job's, the recorder is around it."""

    abstract = True

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self.request.called_directly:
            return super().__call__(*args, **kwargs)
        # Imported here: task classes are made before Django's models are there.
        from cmlmanager.system import recorder, timetable

        entry = timetable.entry_of_task(self.name)
        if entry is None:
            return self.run(*args, **kwargs)
        return recorder.carry_out(entry, self.request, lambda: self.run(*args, **kwargs))
