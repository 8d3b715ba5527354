"""What EC2 takes as tags, and which of them are not ours to change.

Source: Amazon EC2 User Guide, "Tag your Amazon EC2 resources", restrictions: 50 tags, keys of 128 and values of 256 characters,
no key that begins with aws: in any case (and those do not count).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping

from workers.models import Worker

MOST_TAGS = 50
LONGEST_KEY = 128
LONGEST_VALUE = 256
NAME = "Name"
OURS = "cml-manager:"  # by these the portal finds its workers again: workers.services.operations.launch

# Letters, digits, spaces and these: what every AWS service takes.
_MARKS = frozenset("+-=._:/@")
_CATEGORIES = ("L", "N", "Z", "M")


def is_fixed(key: str) -> bool:
    """Whether a tag is AWS's, or one by which the portal finds its workers again: nobody edits those."""
    return key.lower().startswith(("aws:", OURS))


def key_error(key: str) -> str:
    """What is wrong with a key that somebody wants to set, as a sentence; "" when nothing is."""
    if key.lower().startswith("aws:"):
        return "Keys that begin with aws: belong to AWS."
    if key.lower().startswith(OURS):
        return "By these tags the portal finds its workers again; they cannot be changed."
    if len(key) > LONGEST_KEY:
        return f"A key has at most {LONGEST_KEY} characters; this one has {len(key)}."
    return _odd(key)


def value_error(key: str, value: str) -> str:
    """What is wrong with a value for `key`; "" when nothing is."""
    if key == NAME and not value:
        return "The worker needs a name."
    if len(value) > LONGEST_VALUE:
        return f"A value has at most {LONGEST_VALUE} characters; this one has {len(value)}."
    return _odd(value)


def change_error(worker: Worker, key: str) -> str:
    """What is wrong with setting `key` on `worker`: a key that is there already may be as odd as whoever made it liked; "" when nothing is."""
    return key_error(key) if is_fixed(key) or key not in worker.tags else ""


def removal_error(key: str) -> str:
    """Why nobody may remove the tag `key`; "" when anybody who may change tags may."""
    if key == NAME:
        return "The worker needs a name."
    return key_error(key) if is_fixed(key) else ""


def bulk_error(key: str) -> str:
    """Why `key` may not be set on many workers at once, nor removed; "" when it may."""
    return "One name for many workers helps nobody; rename them one by one." if key == NAME else ""


def too_many(worker: Worker, wanted: Mapping[str, str], unwanted: Iterable[str]) -> str:
    """Why `worker` cannot have these changes, counting what it has now; "" when it can."""
    after = (set(worker.tags) - set(unwanted)) | set(wanted)
    count = sum(not key.lower().startswith("aws:") for key in after)
    return f"{worker} would have {count} tags; EC2 allows {MOST_TAGS}." if count > MOST_TAGS else ""


def _odd(text: str) -> str:
    odd = next((c for c in text if c not in _MARKS and unicodedata.category(c)[0] not in _CATEGORIES), "")
    return f"{odd!r} is not allowed: letters, digits, spaces and + - = . _ : / @ are." if odd else ""
