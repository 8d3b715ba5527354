"""People, how they are signed in, and the tokens of their programs."""

from accounts.models.api_token import ApiToken
from accounts.models.sign_in import SignIn
from accounts.models.user import ColourScheme, User, validate_time_zone

__all__ = ["ApiToken", "ColourScheme", "SignIn", "User", "validate_time_zone"]
