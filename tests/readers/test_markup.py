"""HTML: the visible text is extracted in linear time; unterminated markup is refused."""

import html
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spam_edge.readers.extraction import UnreadableText
from spam_edge.readers.markup import text_of_html


@pytest.mark.parametrize(
    ("page", "text"),
    [
        ("<html><head><meta charset=utf-8><body>WINNER call now</body></html>", "WINNER call now"),
        ("<head><title>no</title>WINNER", "WINNER"),
        ("<p>hi<![foo[x]]> WINNER</p>", "hi WINNER"),
        ("<!doctype html><?x?><!-->a<!--->b<!-- no --!>c</>d", "abcd"),
        ("<a title='>' href=\"x>y\" b = '>'>hi</a>", "hi"),
        ("a <3 b & c &lt;d> <P>e<BR/>f", "a <3 b & c <d>\ne\nf"),
        ("<STYLE>a</styled></style >b<script>'<p>'</script>c", "bc"),
        (" \n<p> a\nb \n<div>\n\n</div>", "a b"),
    ],
)
def test_visible_text_of_html_is_extracted(page: str, text: str) -> None:
    assert text_of_html(page) == text


@pytest.mark.parametrize(
    ("page", "construct"),
    [
        ("<title>WINNER", "<title>"),
        ("<style>p {}<p>WINNER", "<style>"),
        ("hi<!-- WINNER", "a comment"),
        ("hi <a WINNER", "a tag"),
        ("<![ x", "a comment"),
    ],
)
def test_unterminated_markup_is_refused(page: str, construct: str) -> None:
    with pytest.raises(UnreadableText, match=f"{construct} of the HTML has no end"):
        text_of_html(page)


@given(
    st.lists(st.sampled_from(["<", ">", "!", "--", "/", "a", "=", '"', "'", "title", "style", "&", "#1;", " ", "\n"]))
)
def test_arbitrary_markup_is_read_or_refused(pieces: list[str]) -> None:
    try:
        text = text_of_html("".join(pieces))
    except UnreadableText:
        return
    assert "\n\n" not in text


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cn"])), st.sampled_from(["p", "i", "head"]))
def test_escaped_text_in_html_is_preserved(text: str, tag: str) -> None:
    assert text_of_html(f"<{tag}>{html.escape(text)}").split() == text.split()


@pytest.mark.parametrize(
    "piece", ["<a ", '<a b="', "<a ='", "<!--", "<![", "</a", "</", "<", " \n ", "<title>", "<a = ", "&#"]
)
def test_html_is_parsed_in_linear_time(piece: str) -> None:
    start = time.process_time()
    for end in ("", ">", "\"'>"):
        try:
            text_of_html(piece * 100_000 + end)
        except UnreadableText:
            continue
    assert time.process_time() - start < 5
