"""Accounts of the portal's own: who may use one, signing in, passwords, second factors, lock-out."""
