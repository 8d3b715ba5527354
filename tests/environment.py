"""The environment of the test run. A pytest plugin (-p tests.environment), because Django's settings are read before any conftest."""

import os
import tempfile

from cryptography.fernet import Fernet

for name in list(os.environ):
    # Nothing of the developer's shell may change a result, least of all real credentials.
    if name.startswith(("API_", "AWS_", "CML_", "EMAIL_", "NOTIFY_", "OIDC_", "OTEL_", "PORTAL_")) and name != "AWS_CA_BUNDLE":
        del os.environ[name]

_var = tempfile.mkdtemp(prefix="cmlmanager-test-")
os.environ.update(
    {
        "SECRET_KEY": "only-for-tests-only-for-tests-only-for-tests-only-for-tests",
        "SECRETS_KEYS": Fernet.generate_key().decode(),
        "VAR": _var,
        "ALLOWED_HOSTS": "testserver,localhost,127.0.0.1",
        "AWS_REGIONS": "us-east-1,us-west-2",
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        # Closed: whoever needs AWS or Redis starts one and says so.
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
        "REDIS_URL": os.environ.get("TEST_REDIS_URL", "redis://127.0.0.1:9/0"),
        "HTTPS": "0",
        # Tests about second factors switch this on.
        "MFA_REQUIRED_FOR_ADMINS": "0",
        "CML_USERNAME": "portal",
        "CML_PASSWORD": "portal-password-in-tests",
        "CML_TLS_POLICY": "off",
    }
)
if "TEST_DATABASE_URL" in os.environ:
    os.environ["DATABASE_URL"] = os.environ["TEST_DATABASE_URL"]
else:
    os.environ.pop("DATABASE_URL", None)
for name in ("DEBUG", "SANDBOX"):
    os.environ.pop(name, None)
