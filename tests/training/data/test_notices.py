"""The notices corpus: coverage, no real contact data, grouped split, and when training uses it."""

import json
import random
import re
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from spam_edge.training.attacks import ham_controls
from spam_edge.training.data import notices
from spam_edge.training.data.messages import HAM, SPAM
from spam_edge.training.data.notices import MARKETING, NOTICES, Template, load_templates, split_notices, with_notices
from spam_edge.training.data.notices.links import with_public_domains
from spam_edge.training.data.notices.templates import ANYWHERE, REGISTERS
from spam_edge.training.data.notices.values import REGIONS, SLOTS
from spam_edge.training.data.sources import FILES, HUB, PACKAGED, Corpus
from spam_edge.training.data.splits import Example
from spam_edge.training.options import wants_notices
from tests.support.corpora import packaged
from tests.support.near_duplicates import near_duplicates_between
from tests.support.notices import few_notices, few_notices_here

Splits = dict[str, list[Example]]
SAMPLE_STEP = 32
"""Sampling step of the brute-force comparisons."""

# Minimum number of templates per kind.
MIN_HAM = {
    "code": 150, "bank": 200, "card": 90, "wallet": 80, "delivery": 40, "utility": 40, "booking": 50,
    "appointment": 50, "school": 40, "work": 70, "government": 80, "emergency": 20, "receipt": 35, "opt-in": 20,
    "service": 50, "personal": 200, "tech": 35, "group": 50, "warning": 50, MARKETING: 50,
}  # fmt: skip
MIN_SPAM = {
    "parcel": 50, "toll": 30, "bank-fraud": 90, "card-fraud": 45, "wallet-fraud": 60, "tax-fraud": 60,
    "family-emergency": 30, "wrong-number": 30, "job-fraud": 45, "crypto": 30, "investment": 50, "loan-spam": 80,
    "prize": 45, "adult": 35, "gambling": 100, "pills": 30, "support-fraud": 35, "refund-fraud": 10, "code-theft": 70,
    "political": 20, "property-spam": 25, "vehicle-warranty": 7, "charity-fraud": 18, "boss": 16, "fine": 20,
    "rental-fraud": 15,
}  # fmt: skip
MIN_PER_REGION, MIN_PER_REGISTER, MIN_PAIRS = 80, 100, 400

# Top-level domains that phones turn into links without a scheme.
TOP_LEVEL = (
    "com|org|net|gov|edu|co|in|ie|ca|sg|my|ae|za|ke|ng|gh|pk|ph|io|me|ly|it|to|uk|us|au|top|icu|xyz|live|vip|cc|info|"
    "club|site|click|life|fun|shop|pw|win|app|link|biz|online|test|example"
)
HOST = re.compile(rf"(?<![\w.-])((?:[\w-]+\.)+(?:{TOP_LEVEL}))(?![\w-]|\.\w)", re.IGNORECASE)
HOST_AFTER_SCHEME = re.compile(r"https?://([\w.-]*\w)")
# Domains and addresses of RFC 2606 and RFC 5737, and domains of public authorities.
RESERVED_HOST = re.compile(r".*\.(example|test)|(.*\.)?example\.(com|org|net)|203\.0\.113\.\d+|(.*\.)?gov(\.[a-z]{2})?")
IP_ADDRESS = re.compile(r"\d+(\.\d+){3}")
RESERVED_IP_ADDRESS = re.compile(r"192\.0\.2\.\d+|198\.51\.100\.\d+|203\.0\.113\.\d+")

# Number ranges reserved for fiction (Ofcom, ComReg, NANPA, ACMA); elsewhere the invalid prefix 000 or masked digits.
FICTIONAL_NUMBERS = {
    "uk": r"(0|44)1632960\d{3}|(0|44)2079460\d{3}|(0|44)7700900\d{3}|08081570\d{3}",
    "ie": r"(0|353)2091\d{5}",
    "us": r"1?[2-9]\d\d55501\d\d",
    "ca": r"1?[2-9]\d\d55501\d\d",
    "au": r"0491570(006|156|157)|025550\d{4}|037010\d{4}|1800160401",
}
DEFAULT_FICTIONAL_NUMBERS = r"(\d{2,3})?000555\d{4}|XXXXXX\d{4}|180055501\d\d"


@pytest.fixture(scope="module")
def templates() -> list[Template]:
    return load_templates()


@pytest.fixture(scope="module")
def collection() -> list[Example]:
    return [example for split in packaged().splits.values() for example in split]


@pytest.fixture(scope="module")
def all_notices(collection: list[Example]) -> list[Example]:
    return notices.notices(collection)


@pytest.fixture(scope="module")
def splits(all_notices: list[Example]) -> Splits:
    return split_notices(all_notices, seed=42)


def texts_of(examples: Sequence[Example]) -> list[str]:
    return [example.text for example in examples]


def test_templates_cover_every_kind_region_and_register(templates: list[Template]) -> None:
    labels = Counter(template.label for template in templates)
    kinds = Counter((template.label, template.kind) for template in templates)
    regions, registers = (Counter(getattr(template, name) for template in templates) for name in ("region", "register"))
    assert 0.4 <= labels[SPAM] / len(templates) <= 0.6
    minimum = {(HAM, kind): count for kind, count in MIN_HAM.items()}
    minimum |= {(SPAM, kind): count for kind, count in MIN_SPAM.items()}
    assert {kind: kinds[kind] for kind, count in minimum.items() if kinds[kind] < count} == {}
    assert {region for region in (*REGIONS, ANYWHERE) if regions[region] < MIN_PER_REGION} == set()
    assert {register for register in REGISTERS if registers[register] < MIN_PER_REGISTER} == set()


def test_notices_form_many_clusters_and_pairs_have_both_labels(all_notices: list[Example]) -> None:
    assert len(all_notices) >= 3000
    assert len({notice.cluster for notice in all_notices}) >= 1500
    labels = defaultdict(set)
    for template in load_templates():
        if template.pair:
            labels[template.pair].add(template.label)
    assert len(labels) >= MIN_PAIRS
    assert {pair for pair, both in labels.items() if both != {HAM, SPAM}} == set()


@pytest.mark.slow
def test_notices_are_no_near_duplicates_of_controls_or_corpus(
    templates: list[Template], all_notices: list[Example], collection: list[Example]
) -> None:
    controls = [text for family in ham_controls().values() for text in family]
    assert len(all_notices) > 0.97 * len(templates)
    assert near_duplicates_between(texts_of(all_notices), controls) == []
    assert near_duplicates_between(texts_of(all_notices)[::SAMPLE_STEP], texts_of(collection)) == []
    assert not {notice.cluster for notice in all_notices} & {example.cluster for example in collection}


@pytest.mark.parametrize("seed", range(3))
def test_links_and_ip_addresses_are_reserved_for_documentation(templates: list[Template], seed: int) -> None:
    unreserved = []
    for template in templates:
        text = template.fill(random.Random(f"{seed} {template.text}"))
        hosts = [match[1] for match in (*HOST.finditer(text), *HOST_AFTER_SCHEME.finditer(text))]
        addresses = [match[0] for match in IP_ADDRESS.finditer(text)]
        unreserved += [host for host in hosts if not RESERVED_HOST.fullmatch(host.lower())]
        unreserved += [address for address in addresses if not RESERVED_IP_ADDRESS.fullmatch(address)]
    assert unreserved == []


@given(st.randoms(use_true_random=False), st.sampled_from(REGIONS))
def test_phone_numbers_are_from_fictional_ranges(rng: random.Random, region: str) -> None:
    number = SLOTS["phone"](rng, region)
    assert re.fullmatch(FICTIONAL_NUMBERS.get(region, DEFAULT_FICTIONAL_NUMBERS), re.sub(r"[^\dX]", "", number)), number


def test_templates_contain_no_literal_phone_numbers(templates: list[Template]) -> None:
    """Slots draw from reserved ranges; a literal number in a template could belong to a person."""
    skeletons = [re.sub(r"\{\w+\}", "{}", template.text) for template in templates]
    assert [text for text in skeletons if re.search(r"\d[\d -]{6,}\d", text)] == []


@pytest.mark.slow
def test_clusters_and_pairs_stay_in_one_split(splits: Splits) -> None:
    for first, second in combinations(splits.values(), 2):
        left, right = ([e for e in split if e.kind != MARKETING] for split in (first, second))
        assert not {e.cluster for e in left} & {e.cluster for e in right}
        pairs = [{e.template.pair for e in split if e.template and e.template.pair} for split in (left, right)]
        assert not pairs[0] & pairs[1]
    fitting = texts_of([*splits["train"], *splits["validation"]])
    assert near_duplicates_between(texts_of(splits["test"])[::SAMPLE_STEP], fitting) == []


def test_splits_are_70_10_20_with_marketing_only_in_test(splits: Splits, all_notices: list[Example]) -> None:
    n_trained = sum(notice.kind != MARKETING for notice in all_notices)
    for split, share in (("train", 0.7), ("validation", 0.1), ("test", 0.2)):
        examples = [notice for notice in splits[split] if notice.kind != MARKETING]
        assert len(examples) == pytest.approx(share * n_trained, rel=0.1)
        assert 0.4 <= sum(notice.label == SPAM for notice in examples) / len(examples) <= 0.6
    assert {split for split in splits if any(notice.kind == MARKETING for notice in splits[split])} == {"test"}
    assert Counter(texts_of(all_notices)) == sum((Counter(texts_of(split)) for split in splits.values()), Counter())


def test_notices_are_added_to_every_split(collection: list[Example], tmp_path: Path) -> None:
    with few_notices_here(tmp_path):
        few = notices.notices(collection)
        combined = with_notices(packaged(), 42)
    added = split_notices(few, seed=42)
    assert combined.splits == {split: [*examples, *added[split]] for split, examples in packaged().splits.items()}
    assert {notice.corpus for split in added.values() for notice in split} == {(NOTICES,)}
    assert combined.fingerprint != packaged().fingerprint
    assert combined.corpus.name == f"{packaged().corpus.name}, with {len(few)} notices"


def _template(text: str, label: str = HAM, *, kind: str = "bank", region: str = "uk", pair: str = "") -> Template:
    return Template(label, kind, region, "formal", pair, text)


def test_notice_cluster_with_near_duplicate_in_corpus_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    few = [
        _template("Your statement is ready in the app, as every month", pair="a"),
        _template("Confirm who you are at {bad} or lose your account", SPAM, pair="a"),
        _template("The library opens at {time} tomorrow"),
    ]
    monkeypatch.setattr(notices, "load_templates", lambda: few)
    corpus = [Example("Your statement is ready in the app, as every month!", HAM, 7)]
    assert [notice.template for notice in notices.notices(corpus)] == few[2:]
    without_corpus = notices.notices([])
    assert [notice.template for notice in without_corpus] == few
    assert without_corpus[0].cluster == without_corpus[1].cluster != without_corpus[2].cluster


def test_seed_determines_filled_template(templates: list[Template]) -> None:
    drawn = [[template.fill(random.Random(seed)) for template in templates] for seed in (1, 1, 2, 3)]
    assert drawn[0] == drawn[1]
    with_slots = [row for row, template in enumerate(templates) if "{" in template.text]
    assert sum(drawn[0][row] != drawn[2][row] or drawn[0][row] != drawn[3][row] for row in with_slots) > 0.9 * len(
        with_slots
    )


def test_no_notice_is_empty(all_notices: list[Example]) -> None:
    assert [notice for notice in all_notices if not notice.text.strip()] == []


LITERALS = st.text(st.characters(exclude_characters="{}|", exclude_categories=("Cs",)), max_size=8)
SLOT = st.sampled_from(sorted(SLOTS)).map(lambda name: "{" + name + "}")


def _choice(parts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.lists(parts, min_size=2, max_size=4).map(lambda some: "{" + "|".join(some) + "}")


TEXTS = st.recursive(
    LITERALS | SLOT, lambda parts: _choice(parts) | st.lists(parts, max_size=3).map("".join), max_leaves=8
)


@given(TEXTS, st.sampled_from([*REGIONS, ANYWHERE]), st.integers(0, 2**32))
def test_filled_template_is_one_line_without_braces(text: str, region: str, seed: int) -> None:
    message = _template(text, region=region).fill(random.Random(seed))
    assert not set(message) & set("{}")
    assert message == " ".join(message.split())


@given(TEXTS, TEXTS, st.text(st.characters(exclude_characters="{}|", exclude_categories=("Cs",)), max_size=8))
def test_unknown_slot_is_refused_at_any_position(before: str, after: str, name: str) -> None:
    assume(name not in SLOTS)
    for text in (f"{{{name}}}", f"{{a|{{{name}}}}}", f"{{{name}{{name}}}}", f"{{{{{name}|b}}}}"):
        with pytest.raises(ValueError, match="unknown slot"):
            _template(before + text + after)


@given(TEXTS, st.data())
def test_unbalanced_brace_in_template_is_refused(text: str, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(text)))
    with pytest.raises(ValueError, match=r"unknown slot|unbalanced brace"):
        _template(text[:at] + data.draw(st.sampled_from("{}")) + text[at:])


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("ham\tbank\tuk\tformal\thello", "argument"),
        ("junk\tbank\tuk\tformal\t\thello", "label 'JUNK': must be ham or spam"),
        ("ham\tbank\txx\tformal\t\thello", "region 'xx': must be one of uk, ie, "),
        ("ham\tbank\tuk\tloud\t\thello", "register 'loud': must be one of formal, terse, "),
        ("ham\tBank 2\tuk\tformal\t\thello", "kind 'Bank 2': must be lower-case words joined by hyphens"),
        ("ham\tbank\tuk\tformal\t\t{nobody}", "unknown slot {nobody}"),
    ],
)
def test_invalid_template_row_is_reported_with_line(tmp_path: Path, row: str, message: str) -> None:
    path = tmp_path / "rows.tsv"
    path.write_text(f"spam\tparcel\tany\tcaps\tp1\tPAY {{fee}}\n{row}\n", encoding="utf-8")
    with pytest.raises(ValueError, match=rf"^rows\.tsv:2: .*{re.escape(message)}"):
        load_templates(path)


@pytest.mark.parametrize(("source", "by_default"), [(PACKAGED, True), (HUB, True), (FILES, False)])
def test_notices_default_follows_corpus_source_unless_option_is_set(source: str, by_default: bool) -> None:
    corpus = Corpus("some", source, "asked for", ())
    assert [wants_notices(asked, corpus) for asked in (None, True, False)] == [by_default, True, False]


@pytest.fixture
def command(tmp_path: Path) -> Callable[..., str]:
    """Return a function that runs the training with a twentieth of the notices and returns its stdout."""
    environment = few_notices(tmp_path)

    def run(*arguments: object) -> str:
        command_line = [sys.executable, "-m", "spam_edge.training", *map(str, arguments)]
        return subprocess.run(command_line, check=True, capture_output=True, text=True, env=environment).stdout

    return run


@pytest.mark.slow
def test_check_reports_whether_notices_are_added(corpus_file: Path, command: Callable[..., str]) -> None:
    added_by_call = {
        (data, option): "With the notices: train " in command("--check", "--data", data, *option)
        for data in (PACKAGED, corpus_file)
        for option in ((), ("--notices",), ("--no-notices",))
        if option != (("--notices",) if data == PACKAGED else ("--no-notices",))  # the default
    }
    assert {key for key, added in added_by_call.items() if added} == {(PACKAGED, ()), (corpus_file, ("--notices",))}
    assert len(added_by_call) == 4


@pytest.mark.slow
@pytest.mark.parametrize(("arguments", "added"), [((), set()), (("--notices",), {NOTICES})])
def test_command_trains_on_notices_only_if_requested(  # noqa: PLR0917
    corpus_file: Path,
    tiny_base: Path,
    tmp_path: Path,
    command: Callable[..., str],
    arguments: tuple[str, ...],
    added: set[str],
) -> None:
    settings = ["--epochs", "1", "--batch-size", "64", "--max-length", "16"]
    command("--data", corpus_file, "--base-model", tiny_base, "--output", tmp_path / "out", *settings, *arguments)
    record = json.loads((tmp_path / "out" / "training.json").read_text(encoding="utf-8"))
    for split in ("train", "validation", "test"):
        assert record["splits"][split]["by_corpus"].keys() == {str(corpus_file)} | added
        lines = (tmp_path / "out" / "splits" / f"{split}.jsonl").read_text(encoding="utf-8").splitlines()
        kinds = {json.loads(line)["kind"] for line in lines}
        assert kinds == {""} if not added else kinds > {"", "bank", "parcel"}
        assert (MARKETING in kinds) == (split == "test" and added == {NOTICES})


@pytest.mark.parametrize(
    ("reserved", "public"),
    [
        ("see http://card-y.life.example/a", r"see http://card-y\.life/a"),
        ("see www.blue.example.", r"see www\.blue(\.[a-z]+)+\."),
        ("go.example.com/x or go.example.org", r"go\.com/x or go\.org"),
        ("mail info@my.bank.co.uk.example now", r"mail info@my\.bank\.co\.uk now"),
        ("t.me.example/ab", r"t\.me/ab"),
        ("brand.com-verify.example", r"brand\.com-verify(\.[a-z]+)+"),
        ("for example, set an.example", r"for example, set an(\.[a-z]+)+"),
        ("no link", "no link"),
    ],
)
def test_reserved_domains_are_replaced_by_public_domains(reserved: str, public: str) -> None:
    assert re.fullmatch(public, with_public_domains(reserved, random.Random(1)))
