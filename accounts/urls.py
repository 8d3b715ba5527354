"""Addresses of sign-in, sign-out and one's own account. Of allauth only these views are mounted: nobody registers here."""

from allauth.account import views as allauth
from django.urls import include, path

from accounts import views
from accounts.local.views import entrance, own_exit

urlpatterns = [
    path("sign-in/", entrance(allauth.login), name="account_login"),
    path("sign-in/inactive/", entrance(allauth.account_inactive), name="account_inactive"),
    path("sign-out/", own_exit(allauth.logout), name="account_logout"),
    path("", include("accounts.local.urls")),
    path("account/", views.account, name="account"),
]
