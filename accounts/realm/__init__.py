"""What is wrong with a Keycloak realm, seen from the portal: `manage.py check_oidc`. Asks Keycloak, changes nothing."""
