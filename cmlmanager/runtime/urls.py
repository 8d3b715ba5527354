"""Addresses of the settings."""

from django.urls import path

from cmlmanager.runtime import views

urlpatterns = [
    path("settings/", views.settings_page, name="settings"),
    path("settings/default/", views.setting_default, name="setting-default"),
    path("settings/templates/new/", views.template_new, name="template-new"),
    path("settings/templates/<int:number>/", views.template_edit, name="template-edit"),
    path("settings/templates/<int:number>/delete/", views.template_delete, name="template-delete"),
    path("settings/<slug:group>/", views.settings_save, name="settings-save"),
]
