"""Addresses of sign-in, sign-out and one's own account. Of allauth only these views are mounted: nobody registers here."""

from allauth.account import views as allauth
from django.urls import include, path

from accounts import views
from accounts.local.views import entrance, own_exit, whatever_is_due
from accounts.oidc import views as oidc
from accounts.views import sessions, tokens

urlpatterns = [
    path("sign-in/", entrance(allauth.login), name="account_login"),
    path("sign-in/inactive/", entrance(allauth.account_inactive), name="account_inactive"),
    path("sign-out/", own_exit(oidc.with_provider(allauth.logout)), name="account_logout"),
    path("oidc/authenticate/", oidc.AuthenticateView.as_view(), name="oidc_authentication_init"),
    path("oidc/callback/", oidc.CallbackView.as_view(), name="oidc_authentication_callback"),
    path("oidc/backchannel-logout/", oidc.backchannel_logout, name="oidc_backchannel_logout"),
    path("", include("accounts.local.urls")),
    path("account/", views.account, name="account"),
    path("account/session/", whatever_is_due(sessions.this_session), name="session"),
    path("account/sessions/", sessions.own_sessions, name="sessions"),
    path("account/sessions/end/", oidc.with_provider(sessions.sign_out_everywhere), name="sessions-end"),
    path("account/sessions/<uuid:sign_in_id>/end/", sessions.end_session, name="session-end"),
    path("account/tokens/", tokens.own_tokens, name="api-tokens"),
    path("account/tokens/<int:token_id>/revoke/", tokens.revoke, name="api-token-revoke"),
]
