"""Addresses of sign-in, sign-out and one's own account. Of allauth only these views are mounted: nobody registers here."""

from allauth.account import views as allauth
from django.urls import path

from accounts import views

urlpatterns = [
    path("sign-in/", allauth.login, name="account_login"),
    path("sign-in/inactive/", allauth.account_inactive, name="account_inactive"),
    path("sign-out/", allauth.logout, name="account_logout"),
    path("account/", views.account, name="account"),
]
