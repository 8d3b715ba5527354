"""Labs on workers. Issue 4 fills this room; until then the refresh keeps counts on the worker."""
