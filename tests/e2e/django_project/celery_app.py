"""The project's Celery: tasks wait in a folder, so no broker of Celery's own is needed."""

from __future__ import annotations

import os
from pathlib import Path

import django
from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.e2e.django_project.settings")
django.setup()

QUEUE = Path(os.environ.get("SHOP_QUEUE", "queue"))
app = Celery(
    "shop",
    broker="filesystem://",
    broker_transport_options={
        "data_folder_in": str(QUEUE),
        "data_folder_out": str(QUEUE),
        "polling_interval": 0.1,
    },
    include=["tests.e2e.django_project.tickets.tasks"],
)
