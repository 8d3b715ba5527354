#!/bin/sh
# Migrations are complete, and `check --deploy` finds nothing with production settings. Usage: tests/check_settings.sh PYTHON
set -eu
python=$1
SECRET_KEY=$("$python" -c 'import secrets; print(secrets.token_urlsafe(50))')
SECRETS_KEYS=$("$python" -c 'from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())')
VAR=$(mktemp -d)
export SECRET_KEY SECRETS_KEYS VAR
trap 'rm -rf "$VAR"' EXIT
"$python" manage.py makemigrations --check --dry-run
ALLOWED_HOSTS=portal.example.com TRUSTED_PROXY_COUNT=1 "$python" manage.py check --deploy --fail-level WARNING
