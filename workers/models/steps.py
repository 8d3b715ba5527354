"""Time cut into equal steps by the database, whichever it is."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db.models import Func, IntegerField


class StepOf(Func):
    """The number of the step, counted from 0 at `start`, in which a moment lies: whole seconds, moments not before `start`."""

    output_field = IntegerField()

    def __init__(self, moment: str, *, start: datetime, step: timedelta) -> None:
        super().__init__(moment, start=int(start.timestamp()), step=int(step.total_seconds()))

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> Any:
        # Without its fraction, which strftime would round.
        template = "((CAST(strftime('%%%%s', substr(%(expressions)s, 1, 19)) AS INTEGER) - %(start)d) / %(step)d)"
        return self.as_sql(compiler, connection, template=template, **context)

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> Any:
        template = "((CAST(FLOOR(EXTRACT(EPOCH FROM %(expressions)s)) AS BIGINT) - %(start)d) / %(step)d)"
        return self.as_sql(compiler, connection, template=template, **context)


def floor_to(moment: datetime, step: timedelta) -> datetime:
    """`moment` rounded down to a whole `step` since the epoch, so that steps do not slide from one reading to the next."""
    seconds = int(step.total_seconds())
    return datetime.fromtimestamp(int(moment.timestamp()) // seconds * seconds, tz=moment.tzinfo)
