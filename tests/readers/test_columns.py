"""Rules that choose columns and detect header lines."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spam_edge.readers.columns import (
    COLUMN_NAMES,
    LABEL_NAMES,
    check_header,
    choose_column,
    choose_columns,
    first_fields,
    has_header,
    is_one_of,
)
from spam_edge.readers.extraction import UnreadableText
from spam_edge.training.data.messages import DEFAULT_LABEL_MAP

TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\n"), max_size=30)
"""Single lines, which may hold tabs and quotes."""
NAMES = {*COLUMN_NAMES, *LABEL_NAMES}


def names_a_column(text: str) -> bool:
    return any(is_one_of(field, NAMES) for field in first_fields(text))


@pytest.mark.parametrize(
    ("names", "text", "label", "chosen"),
    [
        (["label", "text"], None, None, (1, 0)),
        (["id", "SMS", " Class "], None, None, (1, 2)),
        (["CATEGORY", "v2"], None, None, (1, 0)),  # the only column beside the label
        (["text", "v1", "message"], "message", "v1", (2, 1)),
        (["label", "class", "text"], None, "class", (2, 1)),
        (["label", "text"], "label", "text", (0, 1)),  # given names take precedence
    ],
)
def test_text_and_label_columns_are_chosen(
    names: list[str], text: str | None, label: str | None, chosen: tuple[int, int]
) -> None:
    assert choose_columns(names, text, label) == chosen


@pytest.mark.parametrize(
    ("names", "text", "label", "reason"),
    [
        (["kind", "text"], None, None, "no label column found; set --label-column to .*: 'kind', 'text'$"),
        (["label", "class", "text"], None, None, "more than one label column found; set --label-column to .*: 'label'"),
        (["label", "text"], None, "kind", "there is no column 'kind'; --label-column takes one of: 'label', 'text'$"),
        (["label", "a", "b"], None, None, "no text column found; set --text-column to .*: 'a', 'b'$"),
        (["label", "sms", "body"], None, None, "more than one text column found; set --text-column to .*: 'sms'"),
        (["label", "text"], "label", None, "there is no column 'label'; --text-column takes one of: 'text'$"),
        (["label"], None, None, "no text column found"),
        ([], None, None, "no label column found"),
    ],
)
def test_missing_or_ambiguous_columns_are_refused(
    names: list[str], text: str | None, label: str | None, reason: str
) -> None:
    with pytest.raises(UnreadableText, match=reason):
        choose_columns(names, text, label)


@given(st.lists(st.text(max_size=5), max_size=4), st.permutations([0, 1]), st.data())
def test_training_and_runtime_choose_same_text_column(others: list[str], order: list[int], data: st.DataObject) -> None:
    """The runtime chooses among the columns without the label column."""
    others = [name for name in others if name.strip().casefold() not in NAMES]
    pair = [data.draw(st.sampled_from(COLUMN_NAMES)), data.draw(st.sampled_from(LABEL_NAMES))]
    names = [*others, *(pair[index] for index in order)]
    text, label = choose_columns(names, None, None)
    assert [names[text], names[label]] == pair
    rest = names[:label] + names[label + 1 :]
    assert rest[choose_column(rest, None)] == names[text]


@pytest.mark.parametrize(
    ("line", "text", "label", "header"),
    [
        ("label\ttext\r", None, None, True),
        ('"Class"\t"id"\t"SMS"', None, None, True),
        ("kind\tv2", "v2", "kind", True),
        ("spam\tmessage", "message", "spam", True),  # both columns are given by name
        ("ham\thi", None, None, False),
        ("SPAM\tlabel your parcel\tnow", None, None, False),
        ('"ham"\t"hi"', None, None, False),
        ("1\thi", "body", "kind", False),  # the names are for other files of the corpus
    ],
)
def test_header_of_labelled_file_is_detected(line: str, text: str | None, label: str | None, header: bool) -> None:
    assert has_header(line, DEFAULT_LABEL_MAP, text, label) is header


@pytest.mark.parametrize(
    ("line", "text", "label", "reason"),
    [
        ("ham\tLabel", None, None, "'ham' is a label, but .*--text-column and --label-column .*to .txt if"),
        ("spam\ttext", None, None, "'spam' is a label, but"),
        ("ham\tv1\tv2", "v2", None, "'ham' is a label, but"),
        ("spam\tv1\tv2", None, "spam", "'spam' is a label, but"),
        (
            "junk\thi",
            None,
            None,
            r"not a header \(no label .*--label-column.*'junk' is not a known label; .*--label-map",
        ),
        ("label\ta\tb", None, None, r"not a header \(no text column .*--text-column.*'label' is not a known label"),
        ("x" * 99, None, None, r"'x{40}\.\.\.' is not a known label"),
    ],
)
def test_ambiguous_first_line_of_labelled_file_is_refused(
    line: str, text: str | None, label: str | None, reason: str
) -> None:
    with pytest.raises(UnreadableText, match=reason):
        has_header(line, DEFAULT_LABEL_MAP, text, label)


@given(st.sampled_from(["ham", "spam", "Ham", " SPAM", "0", "1"]), TEXTS)
def test_labelled_message_is_not_taken_for_header(label: str, text: str) -> None:
    if names_a_column(text):
        with pytest.raises(UnreadableText, match="is a label, but"):
            has_header(f"{label}\t{text}", DEFAULT_LABEL_MAP, None, None)
    else:
        assert not has_header(f"{label}\t{text}", DEFAULT_LABEL_MAP, None, None)


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("label\ttext\n", None),
        ("ham\n", None),
        ("ham or spam\ttext", None),
        ("text\tham\n", None),
        ("spam\ttext\n", "text"),
        ("spam\ttext\r\n", "text"),
    ],
)
def test_valid_headers_pass_check(line: str, wanted: str | None) -> None:
    check_header(line, wanted)


@given(st.sampled_from(["ham", "spam", "Ham", " SPAM", '"ham"']), TEXTS, st.sampled_from([None, "a column"]))
def test_labelled_message_in_place_of_header_is_refused(label: str, text: str, wanted: str | None) -> None:
    with pytest.raises(UnreadableText, match=r"is a label, .* add a header line label<TAB>text .*--text-column"):
        check_header(f"{label}\t{text}\n", wanted)
