"""What cleaning and split did to the rows, as plain text that says which label to correct where."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence

from spam_edge.training import near_duplicates
from spam_edge.training.cleaning import Cleaning
from spam_edge.training.messages import LABELS, Message
from spam_edge.training.splits import Example, describe

CONFLICTS_SHOWN = 20
_ROWS_SHOWN = 3  # of each label of a conflict
_LONGEST_SHOWN = 5
_EXCERPT = 80
_LEGEND = """\
repeated: rows whose text stands in the same file before
shared: texts that stand in another file, too
dropped: texts that have both labels, or near duplicates with the other one"""


def describe_cleaning(messages: Sequence[Message], examples: Sequence[Example], cleaning: Cleaning) -> str:
    """Describe what became of the rows, by file, and list the labels that contradict each other with their places.

    Args:
        messages: all rows, as they were read.
        examples: what cleaning made of them.
        cleaning: what it counted.
    """
    kept = {example.text: example.cluster for example in examples}
    sections = (_totals(cleaning), _files(messages, kept), _conflicts(messages, kept), _longest(messages))
    return "\n\n".join(sections) + "\n"


def describe_split(sides: Mapping[str, Sequence[Example]]) -> str:
    """Describe the sides: their sizes, and those of each corpus where there are several."""
    rows = [["", "messages", "clusters", *LABELS]]
    for side, examples in sides.items():
        sizes = describe(examples)
        corpora = sizes.pop("by_corpus")
        rows.append([side, *map(str, sizes.values())])
        if len({name for members in sides.values() for example in members for name in example.corpus}) > 1:
            rows += [[f"  {name}", *map(str, part.values())] for name, part in corpora.items()]
    return f"Split 70/10/20, near duplicates on one side\n{_table(rows)}\n"


def _totals(cleaning: Cleaning) -> str:
    counts = (
        (cleaning.read, "rows"),
        (cleaning.exact_duplicates, "exact duplicates removed"),
        (
            cleaning.conflicts,
            f"texts dropped, whose cluster has both labels (clusters: {cleaning.conflicting_clusters})",
        ),
        (cleaning.kept, f"messages kept, in {cleaning.clusters} clusters of near duplicates"),
        (cleaning.largest_cluster, "messages in the largest cluster"),
        (cleaning.clusters_across_corpora, "clusters in more than one file"),
    )
    return "\n".join(["Cleaning", *(f"  {count:>8}  {what}" for count, what in counts)])


def _files(messages: Sequence[Message], kept: Mapping[str, int]) -> str:
    files: dict[str, list[Message]] = defaultdict(list)
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


def _conflicts(messages: Sequence[Message], kept: Mapping[str, int]) -> str:
    dropped = [message for message in messages if message.text not in kept]
    if not dropped:
        return "Labels that contradict each other: none"
    # Clusters are dropped whole, so that those of the dropped texts alone are the same.
    texts = sorted({message.text for message in dropped})
    cluster_of = dict(zip(texts, near_duplicates.cluster(texts), strict=True))
    clusters: dict[int, list[Message]] = defaultdict(list)
    for message in dropped:
        clusters[cluster_of[message.text]].append(message)
    lines = [
        f"Labels that contradict each other: {min(CONFLICTS_SHOWN, len(clusters))} of {len(clusters)} clusters",
        "  Correct the label or remove the row; until then the whole cluster is left out.",
    ]
    for number, rows in enumerate(list(clusters.values())[:CONFLICTS_SHOWN], start=1):
        lines += [f"  {number}.", *_conflict(rows)]
    return "\n".join(lines)


def _conflict(rows: Sequence[Message]) -> Iterator[str]:
    """The rarer label first, which is more often the wrong one; short texts first, which others may hold whole."""
    counts = Counter(message.label for message in rows)
    shortest_first = sorted(rows, key=lambda message: len(message.text))
    for label, count in sorted(counts.items(), key=lambda item: (item[1], item[0])):
        for message in [message for message in shortest_first if message.label == label][:_ROWS_SHOWN]:
            yield f"    {label:4}  {_place(message)}  {_excerpt(message.text)}"
        if count > _ROWS_SHOWN:
            yield f"    {label:4}  and {count - _ROWS_SHOWN} more rows"


def _longest(messages: Sequence[Message]) -> str:
    longest = sorted(messages, key=lambda message: -len(message.text))[:_LONGEST_SHOWN]
    rows = (f"  {len(message.text):>8}  {_place(message)}  {_excerpt(message.text)}" for message in longest)
    return "\n".join(["Longest messages, in characters", *rows])


def _place(message: Message) -> str:
    return f"{message.file}:{message.line}"


def _excerpt(text: str) -> str:
    """The beginning, with whatever could move a cursor escaped."""
    return repr(text) if len(text) <= _EXCERPT else f"{text[:_EXCERPT]!r}..."


def _table(rows: Sequence[Sequence[str]]) -> str:
    """Aligned columns: names to the left, numbers to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = (
        "  ".join([row[0].ljust(widths[0]), *(cell.rjust(w) for cell, w in zip(row[1:], widths[1:], strict=True))])
        for row in rows
    )
    return "\n".join(f"  {line}" for line in lines)
