"""What the shop answers."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator

from django.contrib.auth import authenticate, login, logout
from django.contrib.auth.models import User
from django.db import transaction
from django.http import HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404

from loopin_producers import capture
from loopin_producers.context import context_distinct_id, context_session_id, context_tags
from tests.e2e.django_project.tickets.models import Ticket


def health(request: HttpRequest) -> HttpResponse:
    """For the load balancer: which process answers."""
    return HttpResponse(str(os.getpid()))


def sign_up(request: HttpRequest) -> HttpResponse:
    """Make an account and sign in."""
    name = request.POST["name"]
    user = User.objects.create_user(name, password="a password")
    login(request, user)
    return JsonResponse({"id": user.pk})


def sign_in(request: HttpRequest) -> HttpResponse:
    """Sign in with name and password."""
    user = authenticate(request, username=request.POST["name"], password=request.POST["password"])
    if user is None:
        return HttpResponse(status=401)
    login(request, user)
    return HttpResponse(status=204)


def sign_out(request: HttpRequest) -> HttpResponse:
    """Sign out."""
    logout(request)
    return HttpResponse(status=204)


def rename(request: HttpRequest) -> HttpResponse:
    """Change one's name."""
    user = request.user
    assert isinstance(user, User)
    user.first_name = request.POST["first_name"]
    user.save()
    return HttpResponse(status=204)


def tickets(request: HttpRequest) -> HttpResponse:
    """Buy a ticket; ``fail`` gives up after the row was written."""
    assert request.user.is_authenticated
    ticket = Ticket.objects.create(user=request.user, event_id=7, amount=request.POST["amount"])
    if "fail" in request.POST:
        raise RuntimeError("the payment service said no")
    return JsonResponse({"id": ticket.pk}, status=201)


def ticket(request: HttpRequest, ticket_id: int) -> HttpResponse:
    """Show a ticket."""
    found = get_object_or_404(Ticket, pk=ticket_id)
    mine = found.user == request.user
    return JsonResponse({"id": found.pk, "amount": found.amount, "mine": mine})


def reset(request: HttpRequest, uidb64: str, token: str) -> HttpResponse:
    """Where the link to reset a password leads."""
    return HttpResponse()


def broken(request: HttpRequest) -> HttpResponse:
    """Has a fault."""
    return HttpResponse(1 // 0)


def stream(request: HttpRequest) -> StreamingHttpResponse:
    """Answers line by line."""

    def lines() -> Iterator[bytes]:
        yield b"one\n"
        yield b"two\n"

    return StreamingHttpResponse(lines())


def export(request: HttpRequest) -> StreamingHttpResponse:
    """Makes its lines while they are sent, and captures how far it comes."""
    assert "user" not in request.GET or request.user.is_authenticated

    def lines() -> Iterator[bytes]:
        try:
            for number in range(2):
                capture("line_exported", properties={"line": number})
                yield b"%d\n" % number
        finally:
            capture("export_ended")

    return StreamingHttpResponse(lines())


@transaction.non_atomic_requests
async def slow_export(request: HttpRequest) -> StreamingHttpResponse:
    """The same, in a coroutine."""
    assert "user" not in request.GET or (await request.auser()).is_authenticated

    async def lines() -> AsyncIterator[bytes]:
        for number in range(2):
            capture("line_exported", properties={"line": number})
            yield b"%d\n" % number
        capture("export_ended")

    return StreamingHttpResponse(lines())


def cart(request: HttpRequest) -> HttpResponse:
    """Keep something in the session, whoever it is."""
    request.session["cart"] = request.session.get("cart", 0) + 1
    return HttpResponse(status=204)


def context(request: HttpRequest) -> HttpResponse:
    """What a capture within a view would know."""
    user = str(request.user.pk) if "user" in request.GET else None
    return JsonResponse(_context() | {"user": user})


@transaction.non_atomic_requests
async def slow_context(request: HttpRequest) -> HttpResponse:
    """The same, in a coroutine."""
    user = str((await request.auser()).pk) if "user" in request.GET else None
    return JsonResponse(_context() | {"user": user})


def _context() -> dict[str, object]:
    return {"distinct_id": context_distinct_id(), "session": context_session_id(), "tags": context_tags()}
