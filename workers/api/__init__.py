"""The fleet for programs: routers over the services that the pages use."""
