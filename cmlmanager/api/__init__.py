"""The REST API's own room: who asks, problems, pages, limits, repeats, the schema and its page. The routers live in the apps."""
