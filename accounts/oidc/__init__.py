"""Sign-in with Keycloak, or another OpenID provider: OIDC_ISSUER switches it on. docs/sign-in.md says how it behaves."""
