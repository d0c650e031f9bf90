"""moto's own URL table: moto looks for it beside the backend's module."""

from moto.s3.urls import url_bases, url_paths

__all__ = ["url_bases", "url_paths"]
