"""Plain-text report on cleaning and split, with the location of each label conflict."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence

from spam_edge.training.data import near_duplicates
from spam_edge.training.data.cleaning import Cleaning
from spam_edge.training.data.messages import LABELS, LabelledMessage
from spam_edge.training.data.splits import Example, describe

CONFLICTS_SHOWN = 20
_ROWS_SHOWN = 3  # per label of a conflict
_LONGEST_SHOWN = 5
_EXCERPT = 80
_LEGEND = """\
repeated: rows whose text occurs earlier in the same file
shared: texts that also occur in another file
dropped: texts in near-duplicate clusters with both labels"""


def describe_cleaning(messages: Sequence[LabelledMessage], examples: Sequence[Example], cleaning: Cleaning) -> str:
    """Report the cleaning counts per file, the label conflicts with their locations, and the longest messages.

    Args:
        messages: all rows read.
        examples: the messages kept by cleaning.
        cleaning: the counts of cleaning.
    """
    kept = {example.text: example.cluster for example in examples}
    sections = (_totals(cleaning), _files(messages, kept), _conflicts(messages, kept), _longest(messages))
    return "\n\n".join(sections) + "\n"


def describe_split(splits: Mapping[str, Sequence[Example]]) -> str:
    """Report the size of each split, and its size per corpus if the data has several."""
    rows = [["", "messages", "clusters", *LABELS]]
    for split, examples in splits.items():
        sizes = describe(examples)
        corpora = sizes.pop("by_corpus")
        rows.append([split, *map(str, sizes.values())])
        if len({name for members in splits.values() for example in members for name in example.corpus}) > 1:
            rows += [[f"  {name}", *map(str, part.values())] for name, part in corpora.items()]
    return f"Split 70/10/20, grouped by near-duplicate cluster\n{_table(rows)}\n"


def _totals(cleaning: Cleaning) -> str:
    counts = (
        (cleaning.read, "rows"),
        (cleaning.exact_duplicates, "exact duplicates removed"),
        (
            cleaning.conflicts,
            f"texts dropped from clusters with both labels (clusters: {cleaning.conflicting_clusters})",
        ),
        (cleaning.kept, f"messages kept, in {cleaning.clusters} near-duplicate clusters"),
        (cleaning.largest_cluster, "messages in the largest cluster"),
        (cleaning.clusters_across_corpora, "clusters in more than one file"),
    )
    return "\n".join(["Cleaning", *(f"  {count:>8}  {what}" for count, what in counts)])


def _files(messages: Sequence[LabelledMessage], kept: Mapping[str, int]) -> str:
    files: dict[str, list[LabelledMessage]] = defaultdict(list)
    for message in messages:
        files[message.file].append(message)
    texts = {file: {message.text for message in rows} for file, rows in files.items()}
    holders = Counter(text for found in texts.values() for text in found)
    table = [["file", "rows", *LABELS, "repeated", "shared", "dropped", "kept", "clusters"]]
    for file, rows in files.items():
        labels = Counter(message.label for message in rows)
        here = [kept[text] for text in texts[file] if text in kept]
        shared = sum(holders[text] > 1 for text in texts[file])
        counts = [len(rows), *(labels[label] for label in LABELS), len(rows) - len(texts[file]), shared]
        counts += [len(texts[file]) - len(here), len(here), len(set(here))]
        table.append([file, *map(str, counts)])
    return "\n".join(["Files", _table(table), *(f"  {line}" for line in _LEGEND.splitlines())])


def _conflicts(messages: Sequence[LabelledMessage], kept: Mapping[str, int]) -> str:
    dropped = [message for message in messages if message.text not in kept]
    if not dropped:
        return "Label conflicts: none"
    # Cleaning drops whole clusters, so clustering only the dropped texts gives the same clusters.
    texts = sorted({message.text for message in dropped})
    cluster_of = dict(zip(texts, near_duplicates.cluster(texts), strict=True))
    clusters: dict[int, list[LabelledMessage]] = defaultdict(list)
    for message in dropped:
        clusters[cluster_of[message.text]].append(message)
    lines = [
        f"Label conflicts: {min(CONFLICTS_SHOWN, len(clusters))} of {len(clusters)} clusters",
        "  Correct the label or remove the row; until then the whole cluster is excluded.",
    ]
    for number, rows in enumerate(list(clusters.values())[:CONFLICTS_SHOWN], start=1):
        lines += [f"  {number}.", *_conflict(rows)]
    return "\n".join(lines)


def _conflict(rows: Sequence[LabelledMessage]) -> Iterator[str]:
    """Yield the lines of one conflict.

    The rarer label comes first because it is more often the wrong one. Short texts come first because longer ones may
    contain them.
    """
    counts = Counter(message.label for message in rows)
    shortest_first = sorted(rows, key=lambda message: len(message.text))
    for label, count in sorted(counts.items(), key=lambda item: (item[1], item[0])):
        for message in [message for message in shortest_first if message.label == label][:_ROWS_SHOWN]:
            yield f"    {label:4}  {_place(message)}  {_excerpt(message.text)}"
        if count > _ROWS_SHOWN:
            yield f"    {label:4}  and {count - _ROWS_SHOWN} more rows"


def _longest(messages: Sequence[LabelledMessage]) -> str:
    longest = sorted(messages, key=lambda message: -len(message.text))[:_LONGEST_SHOWN]
    rows = (f"  {len(message.text):>8}  {_place(message)}  {_excerpt(message.text)}" for message in longest)
    return "\n".join(["Longest messages, in characters", *rows])


def _place(message: LabelledMessage) -> str:
    return f"{message.file}:{message.line}"


def _excerpt(text: str) -> str:
    """Return the beginning of a text with control characters escaped."""
    return repr(text) if len(text) <= _EXCERPT else f"{text[:_EXCERPT]!r}..."


def _table(rows: Sequence[Sequence[str]]) -> str:
    """Format a table with a left-aligned first column and right-aligned numbers."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = (
        "  ".join([row[0].ljust(widths[0]), *(cell.rjust(w) for cell, w in zip(row[1:], widths[1:], strict=True))])
        for row in rows
    )
    return "\n".join(f"  {line}" for line in lines)
