"""The portal against a real Keycloak, with the realm of deploy/keycloak. `make test-keycloak` runs these; marker `keycloak`."""
