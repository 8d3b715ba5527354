"""Fingerprints for eyes."""

from django import template

from workers import certificates

register = template.Library()
register.filter("grouped", certificates.grouped)
