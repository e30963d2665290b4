"""The two ways in which a template is turned down."""

from __future__ import annotations


class TemplateError(Exception):
    """The template is wrong; the text is AWS's. The service answers it as a ValidationError."""


class UnsupportedInTemplateError(Exception):
    """The template may be right, but asks for something that has no effect here: named."""
