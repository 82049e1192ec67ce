"""Disguised messages: scores match the plain message, the higher variant counts, unknown rule versions are refused."""

# ruff: noqa: RUF001 - the tests use confusable characters

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spam_edge import BundleIntegrityError, ManifestError, RuntimeOptions, SpamClassifier
from spam_edge.bundle.locate import Bundle
from spam_edge.bundle.manifest import Manifest
from spam_edge.text.variants import VariantEncoder

TINY = Path(__file__).parents[1] / "data" / "tiny_bundle"
NORMALIZER = "normalizer.json"
SPAM = "WINNER!! Call 09061701461 to claim your prize"
HAM = "see you at 5 then"
LOOK_ALIKES = str.maketrans("aceiopsxyACEHIKMOPT", "асеіорѕхуАСЕНІКМОРТ")


def styled(first: str) -> Callable[[str], str]:
    """Return a function that maps ASCII letters to a styled alphabet; ``first`` is its capital A."""

    def shape(letter: str) -> str:
        return chr(ord(first) + ord(letter.lower()) - ord("a") + 26 * letter.islower()) if letter.isalpha() else letter

    return lambda word: "".join(map(shape, word))


DISGUISES: dict[str, Callable[[str], str]] = {
    "look-alikes": lambda word: word.translate(LOOK_ALIKES),
    "invisible": "\u200b".join,
    "soft hyphens": "\u00ad".join,
    "fullwidth": lambda word: "".join(chr(ord(character) + 0xFEE0) for character in word),
    "bold": styled("𝐀"),
    "circled": styled("Ⓐ"),
    "combining": lambda word: "".join(letter + "\u0336" * letter.isalpha() for letter in word),
    "reversed": lambda word: f"\u202e{word[::-1]}\u202c",
    "deleted": lambda word: f"{word}x\b",
    "control": "\x01".join,
    "entities": lambda word: "".join(f"&#{ord(character)};" for character in word),
}
TORN = {
    "cl-aim the pr1ze": "claim the prize",
    "visit pr1ze": "visit prize",
    "y0u h4ve w0n": "you have won",
    "c.l.a.i.m your v.o.u.c.h.e.r": "claim your voucher",
    "see the pr1z3": "see the prize",
    "thanks f🎉or the lift": "thanks for the lift",
    "W I N N E R &amp; ca11": "WINNER & call",
}


@pytest.fixture(scope="module")
def classifier(int8_variant: str) -> SpamClassifier:
    return SpamClassifier.load(TINY, RuntimeOptions(device="cpu", variant=int8_variant, threads=1))


@pytest.fixture(scope="module")
def unnormalized_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny bundle without its normalizer."""
    return _edited_bundle(tmp_path_factory.mktemp("plain") / "bundle", lambda manifest: manifest.pop("normalizer"))


def _edited_bundle(folder: Path, change: Callable[[dict[str, object]], object]) -> Path:
    """Create a bundle with symlinks to the files of the tiny bundle and an edited manifest."""
    manifest = json.loads((TINY / "manifest.json").read_text(encoding="utf-8"))
    for name in manifest["files"]:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).symlink_to(TINY / name)
    change(manifest)
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    return folder


def _replace_tables(bundle: Path, content: str) -> None:
    """Replace the tables of a bundle and their checksum in the manifest."""
    (bundle / NORMALIZER).write_text(content, encoding="utf-8")
    path = bundle / "manifest.json"
    manifest = json.loads(path.read_text(encoding="utf-8"))
    data = content.encode()
    manifest["files"][NORMALIZER] = {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
    path.write_text(json.dumps(manifest), encoding="utf-8")


@pytest.mark.parametrize("name", DISGUISES)
def test_disguised_message_scores_like_plain_message(classifier: SpamClassifier, name: str) -> None:
    for plain in (SPAM, HAM):
        disguised = " ".join(map(DISGUISES[name], plain.split()))
        assert disguised != plain
        expected, actual = classifier.classify_batch([plain, disguised])
        assert (actual.score, actual.label) == (expected.score, expected.label)
        assert actual.disguised == (name != "entities")
        assert not expected.disguised


@given(st.lists(st.sampled_from([None, *DISGUISES]), min_size=len(SPAM.split()), max_size=len(SPAM.split())))
def test_mixed_disguises_score_like_plain_message(classifier: SpamClassifier, names: list[str | None]) -> None:
    words = (DISGUISES[name](word) if name else word for name, word in zip(names, SPAM.split(), strict=True))
    assert classifier.score([" ".join(words)]) == classifier.score([SPAM])


def test_disguises_change_token_ids_without_normalizer(unnormalized_bundle: Path) -> None:
    plain = SpamClassifier.load(unnormalized_bundle, RuntimeOptions(variant="fp32"))
    harmless = {"invisible", "soft hyphens", "control", "combining"}  # undone by the tokenizer
    for name in DISGUISES.keys() - harmless:
        assert plain.token_ids([" ".join(map(DISGUISES[name], SPAM.split()))]) != plain.token_ids([SPAM])


@pytest.mark.parametrize(
    "text", ["José’s naïve café", "“ok” – it&amp;s", "😂👍🏽👩\u200d🚀🇸🇬 ok", "caf&eacute; £5", "½ m²"]
)
def test_ordinary_unicode_text_is_not_disguised(classifier: SpamClassifier, text: str) -> None:
    assert not classifier.classify(text).disguised


def test_score_is_maximum_of_text_variants(classifier: SpamClassifier, unnormalized_bundle: Path) -> None:
    plain = SpamClassifier.load(unnormalized_bundle, classifier.options)
    first_views = [text.replace("🎉", " party popper ").replace("&amp;", "&") for text in TORN]
    firsts, seconds = plain.score(first_views), plain.score(list(TORN.values()))
    assert len(set((firsts < seconds).tolist())) == 2  # both cases occur
    assert np.array_equal(classifier.score(list(TORN)), np.maximum(firsts, seconds))


def test_joined_variant_is_disguise_only_if_label_changes(classifier: SpamClassifier) -> None:
    changed, already_spam, still_ham = "cl-aim the pr1ze", "c.l.a.i.m your v.o.u.c.h.e.r", "see the pr1z3"
    verdicts = classifier.classify_batch([changed, already_spam, still_ham])
    assert [(verdict.label, verdict.disguised) for verdict in verdicts] == [
        ("SPAM", True),
        ("SPAM", False),
        ("HAM", False),
    ]


def test_disguised_flag_depends_on_threshold() -> None:
    text = "visit pr1ze"
    first, second = 0.9, 0.99999
    for threshold, disguised in ((0.0, False), (second, False), (first, True)):
        classifier = SpamClassifier.load(TINY, RuntimeOptions(variant="fp32", threshold=threshold))
        assert classifier.classify(text).disguised == disguised


TEXTS = [*TORN, SPAM, HAM, *TORN.values(), " ".join(map(DISGUISES["bold"], SPAM.split())), "", "€ 5", "🎉"]


@given(chosen=st.lists(st.integers(0, len(TEXTS) - 1), max_size=24))
def test_second_variants_stay_with_their_message(classifier: SpamClassifier, chosen: list[int]) -> None:
    texts = [TEXTS[index] for index in chosen]
    batch = classifier.classify_batch(texts)
    assert batch == [classifier.classify(text) for text in texts]
    assert classifier.score(texts).tolist() == [verdict.score for verdict in batch]
    assert list(classifier.classify_stream(texts, window=3)) == batch
    logits = classifier.logits(texts)
    assert logits.shape == (len(texts), 2)
    assert [row.tolist() for row in logits] == [classifier.logits([text])[0].tolist() for text in texts]
    margins = (logits[:, 1] - logits[:, 0]).astype(float) / classifier.manifest.temperature
    assert np.allclose([verdict.score for verdict in batch], 1 / (1 + np.exp(-margins)), atol=1e-6)


def test_exact_mode_gives_fp32_labels_for_text_variants(int8_variant: str) -> None:
    fast = SpamClassifier.load(TINY, RuntimeOptions(device="cpu", variant=int8_variant))
    reference = SpamClassifier.load(TINY, RuntimeOptions(device="cpu", variant="fp32"))
    for threshold in (float(score) for score in reference.score(list(TORN))):
        options = RuntimeOptions(device="cpu", variant=int8_variant, exact=True, threshold=threshold)
        exact = SpamClassifier.load(TINY, options)
        expected = [score >= threshold for score in reference.score(TEXTS)]
        assert [verdict.label == "SPAM" for verdict in exact.classify_batch(TEXTS)] == expected
        assert exact.rescored > 0
    assert not np.array_equal(fast.score(TEXTS), reference.score(TEXTS))


def test_token_ids_come_from_first_text_variant(classifier: SpamClassifier, unnormalized_bundle: Path) -> None:
    plain = SpamClassifier.load(unnormalized_bundle, classifier.options)
    assert classifier.token_ids(["cl-aim ｆｒｅｅ", "s\u200bee"]) == plain.token_ids(["cl-aim free", "see"])


def test_bundle_without_normalizer_classifies_raw_messages(unnormalized_bundle: Path) -> None:
    classifier = SpamClassifier.load(unnormalized_bundle)
    assert classifier.manifest.normalizer is None
    verdict, torn = classifier.classify_batch([SPAM, "fr\u200bее cl-aim"])
    assert verdict.label == "SPAM"
    assert not torn.disguised
    assert classifier.score([SPAM]) == SpamClassifier.load(TINY).score([SPAM])
    assert classifier.classify_batch([]) == []


def test_manifest_normalizer_must_be_listed_file(tmp_path: Path) -> None:
    bundle = _edited_bundle(tmp_path / "bundle", lambda manifest: manifest.update(normalizer="other.json"))
    with pytest.raises(ManifestError, match=r"normalizer must be a file listed in files; export the bundle again"):
        Bundle.find(bundle)
    manifest = Bundle.find(TINY).manifest
    assert manifest.normalizer == NORMALIZER
    assert Manifest.from_dict(manifest.to_dict()) == manifest


def test_modified_or_missing_normalizer_is_refused(bundle_copy: Path) -> None:
    path = bundle_copy / NORMALIZER
    content = path.read_bytes()
    path.write_bytes(content.replace(b'"rocket"', b'"racket"'))
    with pytest.raises(BundleIntegrityError, match=r"normalizer\.json was changed after the export \(sha256 differs\)"):
        SpamClassifier.load(bundle_copy)
    path.unlink()
    with pytest.raises(BundleIntegrityError, match=r"normalizer\.json is missing .* export the bundle again"):
        SpamClassifier.load(bundle_copy)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("rubbish", r"normalizer\.json cannot be read .*; export the bundle again"),
        (
            '{"version": 7, "invisible": ""}',
            r"has version 7, this spam-edge supports 1 to \d+; install the release of spam-edge",
        ),
    ],
)
def test_unreadable_or_unsupported_normalizer_is_refused_on_load(bundle_copy: Path, content: str, message: str) -> None:
    _replace_tables(bundle_copy, content)
    with pytest.raises(BundleIntegrityError, match=message):
        SpamClassifier.load(bundle_copy)
    with pytest.raises(BundleIntegrityError, match=message):
        SpamClassifier.load(bundle_copy, RuntimeOptions(verify=False))


def test_unverified_load_refuses_missing_normalizer(bundle_copy: Path) -> None:
    (bundle_copy / NORMALIZER).unlink()
    with pytest.raises(BundleIntegrityError, match=r"normalizer\.json is missing .*; export the bundle again"):
        SpamClassifier.load(bundle_copy, RuntimeOptions(verify=False))


def test_truncated_normalizer_tables_are_reported_on_first_use(bundle_copy: Path) -> None:
    content = (bundle_copy / NORMALIZER).read_text(encoding="utf-8")
    _replace_tables(bundle_copy, content[: len(content) // 2])
    classifier = SpamClassifier.load(bundle_copy)
    assert classifier.classify(SPAM).label == "SPAM"  # does not need the tables
    with pytest.raises(BundleIntegrityError, match=r"normalizer\.json cannot be read .*; export the bundle again"):
        classifier.classify("é")


def test_second_variants_follow_all_first_variants(classifier: SpamClassifier) -> None:
    encoder: VariantEncoder = classifier._encoder
    encoded = encoder.encode([HAM, "pr1ze", "", "ca11"])
    assert (len(encoded.rows), encoded.seconds.tolist(), encoded.disguised.tolist()) == (6, [1, 3], [False] * 4)
    assert encoded.rows.to_lists()[4:] == encoder.encode(["prize", "call"]).rows.to_lists()
    values = np.array([0.5, 0.2, 0.9, 0.3, 0.1, 0.4])
    assert encoded.choose(values).tolist() == [0, 1, 2, 5]
