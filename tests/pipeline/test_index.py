"""`index` and `inspect`: what they do, say and leave."""

from __future__ import annotations

from pathlib import Path

import pytest

from bicross import pipeline, upsert
from bicross.errors import InputError, ModelNotFound, SpaceMismatch
from bicross.models.hashed import HashedEncoder
from bicross.models.registry import HASHED
from bicross.settings import STARTER_ENCODER, IndexSettings
from tests.pipeline.world import COUNT, SETTINGS, CountingEncoder, row, truth, vectors, write


def test_index_says_what_it_did(tmp_path: Path, source: Path) -> None:
    done = pipeline.index([source], tmp_path / "c", SETTINGS)
    assert (done.documents, done.changed, done.unchanged, done.skipped) == (COUNT, COUNT, 0, ())
    assert done.passages == len(truth(tmp_path / "c")["passages"])
    assert done.embedded == vectors(tmp_path / "c") < done.passages, "a passage that stands in many documents is embedded once"
    assert done.space == HashedEncoder().space
    assert done.seconds > 0 and done.documents_per_second == pytest.approx(COUNT / done.seconds)


def test_the_same_source_gives_the_same_keys_and_the_same_bytes(tmp_path: Path, source: Path, made: Path) -> None:
    pipeline.index([source], tmp_path / "again", SETTINGS)
    assert truth(tmp_path / "again") == truth(made)


def test_what_has_not_changed_is_not_read_again(made: Path, source: Path, counting: CountingEncoder) -> None:
    before = truth(made)
    done = pipeline.index([source], made)
    assert (done.changed, done.unchanged, done.embedded, counting.read) == (0, COUNT, 0, [])
    assert truth(made) == before


def test_only_what_changed_is_embedded(tmp_path: Path, made: Path, counting: CountingEncoder) -> None:
    rows = [row(0), row(1, note=", as of today"), row(COUNT)]
    done = pipeline.index([write(tmp_path / "new.jsonl", rows)], made)
    assert (done.documents, done.changed, done.unchanged) == (COUNT + 1, 2, 1)
    assert done.embedded == len(counting.read) == len(set(counting.read))
    assert not any("Chapter 0 " in text or "same last words" in text for text in counting.read)
    texts = {key: text for key, _, text, *_ in truth(made)["documents"]}
    assert "as of today" in texts["d1"]


def test_texts_that_no_document_has_any_more_leave_no_vector(tmp_path: Path, made: Path) -> None:
    rows = [{"_id": f"d{number}", "text": "Short."} for number in range(COUNT)]
    done = pipeline.index([write(tmp_path / "new.jsonl", rows)], made)
    assert (done.documents, done.passages, done.embedded) == (COUNT, COUNT, 1)
    assert vectors(made) == 1


def test_another_passage_length_cuts_all_documents_again(made: Path, source: Path) -> None:
    done = pipeline.index([source], made, IndexSettings(passage_tokens=64))
    assert (done.changed, done.unchanged) == (COUNT, 0)
    assert done.passages == COUNT
    again = pipeline.index([source], made)
    assert (again.changed, again.passages) == (0, COUNT), "the new length was kept"


def test_rows_that_are_skipped_are_named(tmp_path: Path) -> None:
    source = write(tmp_path / "s.jsonl", [row(1), row(1), {"_id": "empty", "text": " "}, {"_id": "nul", "text": "a\0b"}])
    done = pipeline.index([source], tmp_path / "c", SETTINGS)
    assert done.documents == 1
    assert [skip.id.removeprefix(str(source)) for skip in done.skipped] == ["d1", ":3", ":4"]


def test_progress_counts_documents_up_to_all(tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upsert, "CHUNK_DOCUMENTS", 10)
    seen: list[tuple[str, int, int]] = []
    pipeline.index([source], tmp_path / "c", SETTINGS, lambda *said: seen.append(said))
    assert seen == [("documents", done, COUNT) for done in (10, 20, 24)]


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        ({"encoder": "no/such/model"}, ModelNotFound),
        ({"reranker": "no/such/model"}, ModelNotFound),
        ({"encoder": HASHED, "reranker": STARTER_ENCODER}, InputError),
    ],
)
def test_a_model_that_is_none_leaves_nothing_behind(tmp_path: Path, source: Path, settings: dict[str, str], error: type[Exception]) -> None:
    with pytest.raises(error):
        pipeline.index([source], tmp_path / "c", IndexSettings(**settings))
    assert not (tmp_path / "c").exists()


def test_a_source_that_is_none_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for source in (tmp_path / "empty", tmp_path / "absent", write(tmp_path / "blank.jsonl", [{"_id": "1", "text": ""}])):
        with pytest.raises(InputError, match=source.name):
            pipeline.index([source], tmp_path / "c", SETTINGS)
        assert not (tmp_path / "c").exists()


def test_another_encoder_is_refused_with_the_command_that_mends_it(made: Path, source: Path) -> None:
    before = truth(made)
    with pytest.raises(SpaceMismatch, match=f"bicross reembed {made} --encoder NAME"):
        pipeline.index([source], made, IndexSettings(encoder=STARTER_ENCODER))
    assert truth(made) == before
    assert pipeline.index([source], made).unchanged == COUNT


def test_inspect_agrees_with_index_and_changes_nothing(source: Path, made: Path) -> None:
    found = pipeline.inspect([source], SETTINGS)
    status = pipeline.status(made)
    assert (found.documents, found.passages) == (status.documents, status.passages)
    assert found.estimated_seconds >= 0
    assert list(source.parent.iterdir()).count(source) == 1 and {path.name for path in source.parent.iterdir()} == {"source.jsonl", "made"}
