"""The demo people. They exist only in the sandbox; their password is published."""

from __future__ import annotations

from dataclasses import dataclass

PASSWORD = "test"  # noqa: S105


@dataclass(frozen=True)
class Person:
    """Somebody to sign in as; `role` is a group of accounts.roles or "" for none."""

    username: str
    first_name: str
    role: str
    may: str


PEOPLE = (
    Person("admin", "Ada", "admin", "everything"),
    Person("manager", "Miguel", "manager", "start, stop, tag"),
    Person("user", "Uma", "user", "see"),
)
