"""An ordinary Django project; the three settings that belong to Loopin come first."""

from __future__ import annotations

import os

LOOPIN = {
    # PROJECT, BOOTSTRAP_SERVERS and TOPIC_PREFIX come from LOOPIN_PROJECT and so on here.
    "EXCLUDED_PATHS": ["/health/"],
}
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "loopin_producers.django",
    "tests.e2e.django_project.tickets",
]
MIDDLEWARE = [
    "loopin_producers.django.middleware.LoopinMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
]

SECRET_KEY = "of-an-example-that-only-tests-run"
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "tests.e2e.django_project.urls"
WSGI_APPLICATION = "tests.e2e.django_project.wsgi.application"
STATIC_URL = "static/"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ.get("SHOP_DATABASE", "shop.sqlite3"),
        "ATOMIC_REQUESTS": True,
        # Two workers write; SQLite lets one do so at a time.
        "OPTIONS": {"timeout": 60, "transaction_mode": "IMMEDIATE"},
    }
}
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # tests sign in often
USE_TZ = True
TIME_ZONE = "UTC"
