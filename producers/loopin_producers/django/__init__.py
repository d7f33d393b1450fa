"""The Django integration: an app with a middleware, signal handlers, model tracking and ``loopin_check``.

settings.py:

INSTALLED_APPS = [..., "loopin_producers.django"]
MIDDLEWARE = ["loopin_producers.django.middleware.LoopinMiddleware", ...]
LOOPIN = {"PROJECT": "shop", "BOOTSTRAP_SERVERS": "127.0.0.1:9092"}
"""

from loopin_producers.django.tracking import track

__all__ = ["track"]
