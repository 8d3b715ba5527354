"""Addresses of sign-in, sign-out and one's own account. Of allauth only these views are mounted: nobody registers here."""

from allauth.account import views as allauth
from django.urls import path

from accounts import views
from accounts.oidc import views as oidc

urlpatterns = [
    path("sign-in/", allauth.login, name="account_login"),
    path("sign-in/inactive/", allauth.account_inactive, name="account_inactive"),
    path("sign-out/", oidc.with_provider(allauth.logout), name="account_logout"),
    path("oidc/authenticate/", oidc.AuthenticateView.as_view(), name="oidc_authentication_init"),
    path("oidc/callback/", oidc.CallbackView.as_view(), name="oidc_authentication_callback"),
    path("oidc/backchannel-logout/", oidc.backchannel_logout, name="oidc_backchannel_logout"),
    path("account/", views.account, name="account"),
]
