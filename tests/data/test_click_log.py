"""Click logs in the shapes that they come in."""

import json
from pathlib import Path

import numpy as np
import pytest

from bicross.data.click_log import Log, read_clicks
from bicross.errors import InputError


def read(path: Path, text: str, **texts: str) -> Log:
    path.write_text(text, "utf-8")
    return read_clicks([path], texts, lambda what, done, total: None)


def events(log: Log) -> list[tuple[str, str, int, int, int]]:
    columns = zip(log.query, log.document, log.position, log.shown, log.clicked, strict=True)
    return [(log.queries[query], log.documents[document], *map(int, rest)) for query, document, *rest in columns]


SEEN = [("如何 重置", "d1", 1, 1, 1), ("如何 重置", "2", 2, 1, 0)]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", "query,doc_id,position,clicked,time\n如何 重置,d1,1,1,2024-05-01T10:00:00Z\n如何  重置,2,2,0,2024-05-01 10:00:00\n"),
        ("a.tsv", "User_Query\tdocument_id\trank\tclick\tts\n如何 重置\td1\t1\ttrue\t1714557600\n如何 重置\t2\t2.0\tfalse\t1714557600.0\n"),
        (
            "a.jsonl",
            """{"query_text": "如何 重置", "docid": "d1", "position": 1, "clicked": true, "timestamp": "2024/05/01 10:00:00"}
{"query_text": "如何 重置", "docid": 2, "position": 2, "clicked": 0, "timestamp": 1714557600}""",
        ),
    ],
)
def test_a_log_with_clicks_of_zero_and_one(tmp_path: Path, name: str, text: str) -> None:
    log = read(tmp_path / name, text)
    assert events(log) == SEEN
    assert log.time.tolist() == [1714557600.0] * 2
    assert log.positions and log.impressions and not log.skipped and not log.left_out


def test_events_of_ubi(tmp_path: Path) -> None:
    inner = {"object": {"object_id": "d1", "object_id_field": "sku"}, "position": {"ordinal": 3}}
    rows = [
        {
            "action_name": "impression",
            "user_query": "reset",
            "query_id": "s1",
            "timestamp": "2024-05-01T10:00:00Z",
            "event_attributes": inner,
        },
        {"action_name": "item_click", "query_id": "s1", "timestamp": "2024-05-01T10:00:09Z", "event_attributes": json.dumps(inner)},
        {"action_name": "on_search", "user_query": "reset", "query_id": "s1", "timestamp": "2024-05-01T10:00:00Z"},
        {"action_name": "add_to_cart", "query_id": "s1", "timestamp": "2024-05-01T10:00:19Z", "event_attributes": inner},
        {"action_name": "click", "query_id": "s2", "timestamp": "2024-05-01T10:00:19Z", "event_attributes": inner},
    ]
    log = read(tmp_path / "ubi.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    assert events(log) == [("reset", "d1", 3, 1, 0), ("reset", "d1", 3, 0, 1)]
    assert log.left_out == {
        "events without a document": 1,
        "events 'add_to_cart', neither click nor impression": 1,
        "rows with a query id that has no text: name the file of queries with --queries": 1,
    }


def test_clicks_alone_and_texts_from_elsewhere(tmp_path: Path) -> None:
    log = read(tmp_path / "a.csv", "qid,docid\nq1,a\nq2,a\nq3,b\n", q1="Reset it", q2="reset  IT", q3="other")
    assert events(log) == [("Reset it", "a", 0, 0, 1), ("Reset it", "a", 0, 0, 1), ("other", "b", 0, 0, 1)]
    assert not log.positions and not log.impressions and np.isnan(log.time).all()


def test_bad_rows_are_named_and_the_others_kept(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    head = "query,doc_id,position,clicked,time\n"
    bad = [",d,1,1,1", "q,,1,1,1", "q,d,first,1,1", "q,d,1,2,1", "q,d,1,1,noon", "q,d,1,1,inf", "q,d,1,1", "q,d,-1,1,1", "q,d,123456,1,1"]
    log = read(path, head + "q,d,1,1,1\n" + "\n".join(bad) + "\nq,d,,1,1\nq,d,1,1,\n")
    assert events(log) == [("q", "d", 1, 1, 1)]
    assert [skip.id for skip in log.skipped] == [f"{path}:{number}" for number in range(3, 12)]
    for skip, word in zip(log.skipped, ["query", "id", "'first'", "0 or 1", "'noon'", "'inf'", "4 fields", "'-1'", "9999"], strict=True):
        assert word in skip.reason
    assert log.left_out == {"rows without a position, which others have": 1, "rows without a time, which others have": 1}


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("query,doc_id,position\nq,d,0\n", "position 0; expected positions that count from 1"),
        ("query,url\nq,d\n", "no document column"),
        ("who,doc_id\nq,d\n", "no query column"),
        ("query,doc_id\n", "no event that can be used .empty"),
        ("query_id,doc_id\nq,d\n", "--queries"),
        ("", "no event"),
    ],
)
def test_a_log_that_cannot_be_used_says_why(tmp_path: Path, text: str, word: str) -> None:
    with pytest.raises(InputError, match=word):
        read(tmp_path / "a.csv", text)


def test_no_file_and_an_absent_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No click log"):
        read_clicks([], {}, lambda what, done, total: None)
    with pytest.raises(InputError, match="cannot be read"):
        read_clicks([tmp_path / "absent.csv"], {}, lambda what, done, total: None)
