"""Which address leads to which view."""

from __future__ import annotations

from django.urls import path, re_path

from tests.e2e.django_project.tickets import views

urlpatterns = [
    path("health/", views.health),
    path("sign-up/", views.sign_up),
    path("sign-in/", views.sign_in),
    path("sign-out/", views.sign_out),
    path("rename/", views.rename),
    path("tickets/", views.tickets),
    path("tickets/<int:ticket_id>/", views.ticket),
    re_path(r"^old/(?P<ticket_id>[0-9]+)/$", views.ticket),
    path("reset/<uidb64>/<token>/", views.reset),
    path("broken/", views.broken),
    path("stream/", views.stream),
    path("export/", views.export),
    path("slow-export/", views.slow_export),
    path("cart/", views.cart),
    path("context/", views.context),
    path("slow-context/", views.slow_context),
]
