"""Operations: asked for with the request, done in steps by Celery, each step safe to repeat.

`rules` says what is legal, `asking` records a request, `engine` runs it, `plans` has the steps of each kind, `sweep` finds what was left behind.
"""
