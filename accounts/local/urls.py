"""Addresses of local accounts. Of allauth only what is named here is mounted: nobody registers, nobody resets a password by e-mail."""

from __future__ import annotations

from allauth.account import views as allauth
from allauth.mfa.base import views as factors
from allauth.mfa.recovery_codes import views as recovery_codes
from allauth.mfa.totp import views as app
from allauth.mfa.webauthn import views as passkeys
from django.urls import path

from accounts.choices import LocalAccounts
from accounts.local import views
from accounts.local.duties import Duty
from accounts.local.views import entrance, own_page, with_password

FACTOR = Duty.SECOND_FACTOR
BOTH = (Duty.NEW_PASSWORD, Duty.SECOND_FACTOR)

urlpatterns = [
    path("sign-in/break-glass/", entrance(views.BreakGlassView.as_view(), LocalAccounts.BREAK_GLASS), name="break_glass"),
    path("sign-in/passkey/", entrance(passkeys.login_webauthn, LocalAccounts.ON), name="mfa_login_webauthn"),
    path(
        "sign-in/second-factor/",
        entrance(factors.authenticate, LocalAccounts.ON, LocalAccounts.BREAK_GLASS),
        name="mfa_authenticate",
    ),
    # Asked again before anything about the account is changed.
    path("account/confirm/", own_page(with_password(allauth.reauthenticate), *BOTH), name="account_reauthenticate"),
    path("account/confirm/code/", own_page(factors.reauthenticate, *BOTH), name="mfa_reauthenticate"),
    path("account/confirm/passkey/", own_page(passkeys.reauthenticate_webauthn, *BOTH), name="mfa_reauthenticate_webauthn"),
    path(
        "account/password/",
        own_page(with_password(allauth.password_change), Duty.NEW_PASSWORD),
        name="account_change_password",
    ),
    path("account/second-factor/", own_page(factors.index, FACTOR), name="mfa_index"),
    path("account/second-factor/app/", own_page(app.activate_totp, FACTOR), name="mfa_activate_totp"),
    path("account/second-factor/app/remove/", own_page(app.deactivate_totp, FACTOR), name="mfa_deactivate_totp"),
    path("account/second-factor/codes/", own_page(recovery_codes.view_recovery_codes, FACTOR), name="mfa_view_recovery_codes"),
    path(
        "account/second-factor/codes/new/",
        own_page(recovery_codes.generate_recovery_codes, FACTOR),
        name="mfa_generate_recovery_codes",
    ),
    path(
        "account/second-factor/codes/download/",
        own_page(recovery_codes.download_recovery_codes, FACTOR, methods=views.READ_METHODS),
        name="mfa_download_recovery_codes",
    ),
    path(
        "account/second-factor/passkeys/",
        own_page(views.passkeys, FACTOR, methods=views.READ_METHODS),
        name="mfa_list_webauthn",
    ),
    path("account/second-factor/passkeys/new/", own_page(passkeys.add_webauthn, FACTOR), name="mfa_add_webauthn"),
    path(
        "account/second-factor/passkeys/<int:pk>/remove/",
        own_page(passkeys.remove_webauthn, FACTOR),
        name="mfa_remove_webauthn",
    ),
    path("account/second-factor/passkeys/<int:pk>/", own_page(passkeys.edit_webauthn, FACTOR), name="mfa_edit_webauthn"),
]
