"""Alerts by mail, against a mail server of another library."""

from __future__ import annotations

import ssl
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from loopin_sinks.notify.answer import Answer, Later, Refused, Taken
from loopin_sinks.notify.apprise_service import AppriseService
from loopin_sinks.notify.channels_file import Channel
from loopin_sinks.notify.mail_reply import refusal
from loopin_sinks.notify.text import plain, subject
from tests.sinks.notify.mail_server import (
    HOST,
    PASSWORD,
    USER,
    Mailbox,
    asking_for_a_password,
    free_port,
    receiving_mail,
    write_certificate,
)
from tests.sinks.notify.told import alert

LOGIN = f"{USER.decode()}:{PASSWORD.decode()}@"


@pytest.fixture(autouse=True)
def without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """The library waits 5.5 s between two mails."""
    with warnings.catch_warnings():
        # It tries a module that Python is about to remove.
        warnings.simplefilter("ignore", DeprecationWarning)
        from apprise.plugins.email.base import NotifyEmail
    monkeypatch.setattr(NotifyEmail, "request_rate_per_sec", 0)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    write_certificate(path)
    return path


@pytest.fixture
def mailbox() -> Mailbox:
    return Mailbox()


@pytest.fixture
def port(mailbox: Mailbox) -> Iterator[int]:
    """Of a server that takes mail from everybody."""
    port = free_port()
    with receiving_mail(port, mailbox):
        yield port


@pytest.fixture
def careful(mailbox: Mailbox, certificate: Path) -> Iterator[int]:
    """Of a server that takes mail after STARTTLS and login only."""
    port = free_port()
    with receiving_mail(port, mailbox, **asking_for_a_password(certificate)):
        yield port


def url(port: int, *recipients: str, scheme: str = "mailto", login: str = "", more: str = "") -> str:
    to = ",".join(recipients or ("oncall@example.com",))
    return f"{scheme}://{login}{HOST}:{port}?from=loopin@example.com&to={to}{more}"


async def delivered(url: str, form: str = "text", **changes: Any) -> Answer:
    service = AppriseService("mail", Channel.model_validate({"url": url, "format": form}))
    try:
        return await service.deliver(alert(**changes))
    finally:
        await service.close()


async def test_a_mail_can_be_read(port: int, mailbox: Mailbox) -> None:
    changes: dict[str, Any] = {
        "severity": "critical",
        "dimensions": {"city": "Zürich\r\nBcc: eve@example.com"},
    }
    assert await delivered(url(port), **changes) == Taken()
    (mail,) = mailbox.mails
    assert (mail.sender, mail.recipients) == ("loopin@example.com", ["oncall@example.com"])
    message = mail.message
    assert message["Subject"] == subject(alert(**changes))
    assert message["Subject"].startswith("Critical: payment_failures (city Zürich Bcc: eve@example.com)")
    assert message["Bcc"] is None
    assert message["To"].addresses[0].addr_spec == "oncall@example.com"
    assert message["From"].addresses[0].addr_spec == "loopin@example.com"
    assert message["Date"].datetime.tzinfo is not None
    body = message.get_body(("plain",))
    assert body is not None
    assert body.get_content().replace("\r\n", "\n").strip() == plain(alert(**changes))


async def test_markdown_comes_as_html_that_says_the_same(port: int, mailbox: Mailbox) -> None:
    assert await delivered(url(port), "markdown", message="5 < 6 & <b>more</b> than *that*.") == Taken()
    body = mailbox.mails[0].message.get_body(("html",))
    assert body is not None
    html = body.get_content()
    assert "5 &lt; 6 &amp; &lt;b&gt;more&lt;/b&gt; than" in html.replace("&nbsp;", " ").replace("&ensp;", " ")
    assert "<b>more" not in html
    assert "payment_failures" in html


async def test_each_recipient_has_a_mail_of_its_own(port: int, mailbox: Mailbox) -> None:
    assert await delivered(url(port, "a@example.com", "b@example.com")) == Taken()
    assert sorted(mail.recipients for mail in mailbox.mails) == [["a@example.com"], ["b@example.com"]]


async def test_login_after_starttls(
    careful: int, mailbox: Mailbox, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    assert await delivered(url(careful, scheme="mailtos", login=LOGIN, more="&mode=starttls")) == Taken()
    (mail,) = mailbox.mails
    assert mail.encrypted
    assert mail.user == USER


async def test_tls_from_the_first_byte(
    mailbox: Mailbox, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    port = free_port()
    with receiving_mail(port, mailbox, ssl_context=context):
        assert await delivered(url(port, scheme="mailtos", more="&mode=ssl")) == Taken()
    assert len(mailbox.mails) == 1


async def test_a_certificate_that_nobody_vouches_for_is_not_trusted(careful: int, mailbox: Mailbox) -> None:
    answer = await delivered(url(careful, scheme="mailtos", login=LOGIN, more="&mode=starttls"))
    assert isinstance(answer, Later)
    assert mailbox.mails == []


async def test_a_password_that_is_wrong_is_refused_for_good_and_not_told(
    careful: int, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    wrong = url(careful, scheme="mailtos", login="alerts:wr0ng-word@", more="&mode=starttls")
    answer = await delivered(wrong)
    assert isinstance(answer, Refused)
    assert "535" in answer.reason
    assert "wr0ng" not in answer.reason


async def test_a_recipient_that_is_refused_for_good_is_not_tried_again(port: int, mailbox: Mailbox) -> None:
    mailbox.replies["gone@example.com"] = ["550 5.1.1 No such user: gone@example.com"]
    answer = await delivered(url(port, "gone@example.com", "here@example.com"))
    assert answer == Refused("the mail server refused it for good (550 5.1.1 No such user: ***@***)")
    assert [mail.recipients for mail in mailbox.mails] == [["here@example.com"]], "the other one has it"


async def test_a_recipient_that_is_refused_for_now_is_tried_again(port: int, mailbox: Mailbox) -> None:
    mailbox.replies["busy@example.com"] = ["451 4.7.1 Try again later"]
    assert isinstance(await delivered(url(port, "busy@example.com")), Later)
    assert await delivered(url(port, "busy@example.com")) == Taken()
    assert len(mailbox.mails) == 1


async def test_one_of_them_for_now_is_enough_to_try_again(port: int, mailbox: Mailbox) -> None:
    mailbox.replies["gone@example.com"] = ["550 No such user"]
    mailbox.replies["busy@example.com"] = ["451 Try again later"]
    assert isinstance(await delivered(url(port, "gone@example.com", "busy@example.com")), Later)


async def test_a_server_that_is_away_is_tried_again_and_then_takes_it(mailbox: Mailbox) -> None:
    port = free_port()
    service = AppriseService("mail", Channel.model_validate(url(port)))
    try:
        assert isinstance(await service.deliver(alert()), Later)
        with receiving_mail(port, mailbox):
            assert await service.deliver(alert()) == Taken()
    finally:
        await service.close()
    assert len(mailbox.mails) == 1


@pytest.mark.parametrize(
    ("said", "reply"),
    [
        ([], None),
        (["Sent Email to a@example.com"], None),
        (["Socket Exception: [Errno 111] Connection refused"], None),
        (["Socket Exception: {'a@x': (550, b'No')}"], "550 No"),
        (['Socket Exception: (535, b"It isn\'t you")'], "535 It isn't you"),
        (["Socket Exception: {'a@x': (550, b'No'), 'b@x': (450, b'Wait')}"], None),
        (["Socket Exception: {'a@x': (550, b'No')}", "Socket Exception: timed out"], None),
        (["SMTP recipient a@x was refused: 553 b'Bad name'"], "553 Bad name"),
        (["SMTP recipient a@x was refused: 421 b'Wait'"], None),
    ],
)
def test_only_what_is_permanent_throughout_is_a_refusal(said: list[str], reply: str | None) -> None:
    assert refusal(said) == reply
