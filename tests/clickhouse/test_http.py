"""The HTTP interface itself, by plain requests: statuses, headers and texts as ClickHouse documents them."""

from __future__ import annotations

import gzip
import http.client
import json
import re
import socket
import zlib

import pytest

from tests.clickhouse import PASSWORD, USER, ClickHouseServer
from tests.clickhouse.plain_http import Ask

FORM = "multipart/form-data; boundary=edge"


def test_ping_and_the_root_need_no_login(ask: Ask) -> None:
    for path in ("/ping", "/", "/replicas_status"):
        answer = ask({}, method="GET", path=path, headers={})
        assert (answer.status, answer.body) == (200, b"Ok.\n")
    assert ask({}, method="GET", path="/elsewhere", headers={}).status == 404


@pytest.mark.parametrize(
    ("arguments", "body", "method"),
    [
        ({"query": "SELECT 1 + 1"}, b"", "GET"),
        ({"query": "SELECT 1 + 1"}, b"", "POST"),
        ({}, b"SELECT 1 + 1", "POST"),
        ({"query": "SELECT"}, b"1 + 1", "POST"),
    ],
)
def test_a_query_comes_in_the_address_or_in_the_body_or_in_both(
    ask: Ask, arguments: dict[str, str], body: bytes, method: str
) -> None:
    answer = ask(arguments, body, method=method)
    assert (answer.status, answer.body) == (200, b"2\n")
    assert answer.headers["X-ClickHouse-Format"] == "TabSeparated"
    assert answer.headers["Content-Type"] == "text/tab-separated-values; charset=UTF-8"
    assert answer.headers["X-ClickHouse-Timezone"] == ask({}, b"SELECT timezone()").body.decode().strip()
    assert re.fullmatch("[a-z]{16}", answer.headers["X-ClickHouse-Exception-Tag"])
    assert answer.headers["X-ClickHouse-Query-Id"]
    assert answer.headers["Content-Encoding"] is None


def test_the_query_id_is_the_one_that_was_given(ask: Ask) -> None:
    assert ask({"query_id": "mine"}, b"SELECT 1").headers["X-ClickHouse-Query-Id"] == "mine"


def test_a_form_holds_query_and_parameters(ask: Ask, clickhouse: ClickHouseServer) -> None:
    fields = {"query": "SELECT {x:String}, {y:UInt8}\n FORMAT TSV", "param_x": "a--edge\\tb"}
    body = "".join(
        f'--edge\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields.items()
    )
    headers = {"Content-Type": FORM, "X-ClickHouse-User": USER, "X-ClickHouse-Key": "wrong"}
    assert ask({"param_y": "7"}, f"{body}--edge--\r\n".encode(), headers).status == 403
    clickhouse.login = (USER, "wrong")
    assert ask({"param_y": "7"}, f"{body}--edge--\r\n".encode(), headers).body == b"a--edge\\tb\t7\n"


@pytest.mark.parametrize(("size", "status"), [(131_073, 200), (131_074, 500)])
def test_a_field_of_a_form_has_its_limit(
    ask: Ask, clickhouse: ClickHouseServer, size: int, status: int
) -> None:
    text = f"SELECT 1 -- {'x' * size}"[:size]
    body = f'--edge\r\nContent-Disposition: form-data; name="query"\r\n\r\n{text}\r\n--edge--\r\n'
    clickhouse.login = ("default", "")
    assert ask({}, body.encode(), {"Content-Type": FORM}).status == status


def test_other_arguments_are_settings(ask: Ask) -> None:
    sql = b"SELECT getSetting('max_block_size'), getSetting('log_comment'), currentDatabase()"
    settings = {"readonly": "1", "max_block_size": "77", "log_comment": "it's \\ here", "database": "system"}
    assert ask(settings, sql).body == b"77\tit\\'s \\\\ here\tsystem\n"
    unknown = ask({"no_such_setting": "1"}, b"SELECT 1")
    assert (unknown.status, unknown.headers["X-ClickHouse-Exception-Code"]) == (404, "115")


def test_get_may_only_read(ask: Ask) -> None:
    answer = ask({"query": "CREATE TABLE kept (n Int8) ENGINE = Memory"}, method="GET")
    assert (answer.status, answer.headers["X-ClickHouse-Exception-Code"]) == (500, "164")
    assert ask({"query": "CREATE TABLE kept (n Int8) ENGINE = Memory"}).status == 200


@pytest.mark.parametrize(
    ("sql", "status", "code", "name"),
    [
        ("SELEC 'x'", 400, "62", "SYNTAX_ERROR"),
        ("SELECT * FROM nowhere", 404, "60", "UNKNOWN_TABLE"),
        ("SELECT x", 404, "47", "UNKNOWN_IDENTIFIER"),
        ("SELECT f()", 404, "46", "UNKNOWN_FUNCTION"),
        ("SELECT throwIf(1)", 500, "395", "FUNCTION_THROW_IF_VALUE_IS_NON_ZERO"),
        (
            "SELECT sleepEachRow(0.1) FROM numbers(99) SETTINGS max_block_size = 1, max_execution_time = 0.2",
            *(408, "159", "TIMEOUT_EXCEEDED"),
        ),
        ("SELECT 1 FORMAT Nonsense", 404, "73", "UNKNOWN_FORMAT"),
    ],
)
def test_errors_have_a_status_and_a_number(ask: Ask, sql: str, status: int, code: str, name: str) -> None:
    answer = ask({}, sql.encode())
    assert (answer.status, answer.headers["X-ClickHouse-Exception-Code"]) == (status, code)
    assert answer.body.startswith(f"Code: {code}. DB::Exception: ".encode())
    assert re.search(rf"\({name}\) \(version [0-9.]+.*\)\n$", answer.body.decode())


@pytest.mark.parametrize(
    ("headers", "arguments", "status"),
    [
        ({}, {}, 403),
        ({"X-ClickHouse-User": USER, "X-ClickHouse-Key": "wrong"}, {}, 403),
        ({"X-ClickHouse-User": "nobody"}, {}, 403),
        ({"Authorization": "Basic !"}, {}, 403),
        ({}, {"user": USER, "password": PASSWORD}, 200),
    ],
)
def test_a_login_is_needed(ask: Ask, headers: dict[str, str], arguments: dict[str, str], status: int) -> None:
    answer = ask(arguments, b"SELECT 1", headers)
    assert answer.status == status
    if status == 403:
        assert answer.headers["X-ClickHouse-Exception-Code"] == "516"
        assert b"AUTHENTICATION_FAILED" in answer.body


def test_statements_without_a_result_have_no_format(ask: Ask) -> None:
    created = ask({}, b"CREATE TABLE kept (n Int64) ENGINE = MergeTree ORDER BY n")
    assert (created.body, created.headers["X-ClickHouse-Format"]) == (b"", None)
    nothing = ask({}, b"SELECT n FROM kept")
    assert (nothing.body, nothing.headers["X-ClickHouse-Format"]) == (b"", "TabSeparated")


def test_the_summary_counts_rows(ask: Ask) -> None:
    ask({}, b"CREATE TABLE kept (n Int64) ENGINE = MergeTree ORDER BY n")
    written = json.loads(ask({}, b"INSERT INTO kept FORMAT TSV\n1\n2\n").headers["X-ClickHouse-Summary"])
    assert (written["written_rows"], written["written_bytes"]) == ("2", "16")
    read = json.loads(ask({"wait_end_of_query": "1"}, b"SELECT n FROM kept").headers["X-ClickHouse-Summary"])
    assert (read["result_rows"], read["written_rows"]) == ("2", "0")


def _decoded(encoding: str, body: bytes) -> bytes:
    return gzip.decompress(body) if encoding == "gzip" else zlib.decompress(body)


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_answers_are_compressed_as_asked(ask: Ask, encoding: str) -> None:
    login = {"X-ClickHouse-User": USER, "X-ClickHouse-Key": PASSWORD.encode().decode("latin-1")}
    headers = login | {"Accept-Encoding": f"br;q=0, {encoding}"}
    sql = b"SELECT number, repeat('x', 100) FROM numbers(50000)"
    plain = ask({}, sql, login).body
    answer = ask({}, sql, headers)
    assert answer.headers["Content-Encoding"] == encoding
    assert _decoded(encoding, answer.body) == plain
    failed = ask({}, b"SELECT nothing", headers)
    assert _decoded(encoding, failed.body).startswith(b"Code: 47. ")
    assert ask({"enable_http_compression": "0"}, sql, headers).body == plain
    assert ask({}, b"SYSTEM FLUSH LOGS", headers).headers["Content-Encoding"] is None


def test_a_result_that_fails_late_ends_with_the_error_and_without_an_end(
    clickhouse: ClickHouseServer,
) -> None:
    sql = "SELECT number, throwIf(number = 900000, 'told you') FROM numbers(1000000)"
    clickhouse.login = ("default", "")
    connection = http.client.HTTPConnection("127.0.0.1", clickhouse.server_port, timeout=30)
    connection.request("POST", "/", sql)
    answer = connection.getresponse()
    assert answer.status == 200
    with pytest.raises(http.client.IncompleteRead) as cut:
        answer.read()
    connection.close()
    body, tag = cut.value.partial, answer.headers["X-ClickHouse-Exception-Tag"].encode()
    head, _, rest = body.partition(b"\r\n__exception__\r\n" + tag + b"\r\n")
    assert head.startswith(b"0\t0\n1\t0\n")
    message, _, tail = rest.partition(b"\n")
    assert message.startswith(b"Code: 395. DB::Exception: told you")
    assert tail == b"%d %b\r\n__exception__\r\n" % (len(message) + 1, tag)


@pytest.mark.parametrize("waiting", [{"wait_end_of_query": "1"}, {"buffer_size": "90000000"}])
def test_a_result_that_is_held_back_fails_with_a_status(ask: Ask, waiting: dict[str, str]) -> None:
    sql = b"SELECT number, throwIf(number = 900000, 'told you') FROM numbers(1000000)"
    answer = ask(waiting, sql)
    assert (answer.status, answer.headers["X-ClickHouse-Exception-Code"]) == (500, "395")
    assert answer.body.startswith(b"Code: 395. ")


def test_a_connection_is_kept_and_carries_a_chunked_body(clickhouse: ClickHouseServer) -> None:
    clickhouse.login = ("default", "")
    connection = http.client.HTTPConnection("127.0.0.1", clickhouse.server_port, timeout=30)
    for number in range(3):
        connection.request("POST", "/", iter([b"SELECT ", b"%d" % number]), encode_chunked=True)
        first = connection.sock
        assert connection.getresponse().read() == b"%d\n" % number
        assert connection.sock is first
    connection.close()


def test_a_body_that_ends_early_stores_nothing(ask: Ask, clickhouse: ClickHouseServer) -> None:
    clickhouse.login = ("default", "")
    ask({}, b"CREATE TABLE kept (n Int64) ENGINE = MergeTree ORDER BY n", {})
    with socket.create_connection(("127.0.0.1", clickhouse.server_port)) as client:
        head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n"
        client.sendall(head + b"INSERT INTO kept FORMAT TSV\n1\n2\n")
        client.shutdown(socket.SHUT_WR)
        # Nothing is answered.
        assert client.recv(100) == b""
    assert ask({}, b"SELECT count() FROM kept", {}).body == b"0\n"


def test_a_post_without_a_length_is_refused(clickhouse: ClickHouseServer) -> None:
    with socket.create_connection(("127.0.0.1", clickhouse.server_port)) as client:
        client.sendall(b"POST / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert client.recv(100).startswith(b"HTTP/1.1 411 ")
