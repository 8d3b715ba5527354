"""People, who they are elsewhere, how they are signed in, and the tokens of their programs."""

from accounts.models.api_token import ApiToken
from accounts.models.identity import Identity, ProviderSession
from accounts.models.sign_in import SignIn
from accounts.models.user import ColourScheme, User, validate_time_zone

__all__ = ["ApiToken", "ColourScheme", "Identity", "ProviderSession", "SignIn", "User", "validate_time_zone"]
