"""Convert rows of text formats to Arrow, and check that a conversion is lossless."""

import json
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from spam_edge.batch.reading.blocks import Row
from spam_edge.batch.reading.inputs import Input
from spam_edge.errors import InputError, JobError
from spam_edge.readers.extraction import json_value

_FLAT = ("is_boolean", "is_integer", "is_floating", "is_string", "is_large_string", "is_temporal", "is_decimal")
_OF_JSON = ("is_boolean", "is_integer", "is_floating", "is_string", "is_large_string", "is_null")


def check_conversion(source: Input, names: Sequence[str], schema: Any, output_format: str) -> None:
    """Check that an input can be converted to an output format without loss.

    Raises:
        JobError: the conversion would lose information.
    """
    kind = output_format.split(".", maxsplit=1)[0]
    if (source.kind, kind) != ("jsonl", "jsonl"):
        _check_names(source, names)
    if len(set(names)) < len(names):
        _check_twins(source, kind)
    if source.kind == "parquet" and kind != "parquet":
        for field in schema:
            if not (_fits_json(field.type) if kind == "jsonl" else _is(field.type, _FLAT)):
                raise JobError(
                    f"{source.name}: column {field.name!r} ({field.type}) cannot be written as {kind}; "
                    "use --format parquet"
                )


def _check_twins(source: Input, kind: str) -> None:
    """Check that an output may have two columns of one name. Parquet is written so only where it was read so."""
    if kind == "jsonl" and source.kind != "jsonl":
        raise JobError(f"{source.name}: two columns have the same name, which JSON does not allow; use --format csv")
    if kind == "parquet" and source.kind != "parquet":
        raise JobError(
            f"{source.name}: two columns have the same name, or none, which many readers of Parquet refuse; "
            "use --format csv, or rename one"
        )


def _check_names(source: Input, names: Sequence[str]) -> None:
    for name in names:
        try:
            name.encode()
        except UnicodeEncodeError as error:
            raise JobError(f"{source.name}: column {name!r} has a lone surrogate in its name; rename it") from error


def text_batch(rows: Sequence[Row], names: Sequence[str]) -> Any:
    """Convert CSV or TSV records to a record batch of strings; bad records become nulls."""
    unknown = [None] * len(names)
    records = [row.cells if isinstance(row.cells, list) else unknown for row in rows]
    arrays = [pa.array([record[index] for record in records], type=pa.string()) for index in range(len(names))]
    return pa.RecordBatch.from_arrays(arrays, names=list(names))


def json_batch(rows: Sequence[Row], source: Input, schema: Any) -> Any:
    """Convert JSON Lines objects to a record batch, of the given schema or of inferred types.

    Raises:
        InputError: the values of a column have mixed types, or do not match the schema.
    """
    objects = [json_value(row.cells) if isinstance(row.cells, str) else {} for row in rows]
    keys = list(dict.fromkeys(key for value in objects for key in value))
    names = keys if schema is None else schema.names
    try:
        if new := [key for key in keys if key not in names]:
            raise pa.ArrowInvalid(f"key {new[0]!r} does not occur in the first part")
        arrays = [pa.array([value.get(name) for value in objects]) for name in names]
        if schema is not None:
            arrays = [_as(array, schema.field(name)) for name, array in zip(names, arrays, strict=True)]
    except (pa.ArrowException, UnicodeEncodeError, OverflowError) as error:
        raise InputError(_differs(source, rows, str(error).splitlines()[0])) from error
    return pa.RecordBatch.from_arrays(arrays, names=names)


def flat_batch(rows: Sequence[Row], names: Sequence[str], source: Input) -> Any:
    """Convert flat JSON Lines objects to a record batch of strings, with null for a missing key.

    Numbers keep their text.

    Raises:
        InputError: an object has another key, or a value that one cell cannot hold.
    """
    objects = [{} if row.cells is None else _flat_object(row, names, source) for row in rows]
    arrays = [pa.array([cells.get(name) for cells in objects], type=pa.string()) for name in names]
    return pa.RecordBatch.from_arrays(arrays, names=list(names))


def _flat_object(row: Row, names: Sequence[str], source: Input) -> dict[str, str | None]:
    cells: dict[str, str | None] = {}
    for key, value in json.loads(str(row.cells), parse_float=str, parse_int=str).items():
        problem = "does not occur in the first object" if key not in names else _not_flat(value)
        if problem:
            raise InputError(f"{source.name}:{row.place}: key {key!r} {problem}; use --format jsonl or parquet")
        cells[key] = str(value).lower() if isinstance(value, bool) else value
    return cells


def _not_flat(value: object) -> str:
    for kind, name in ((dict, "an object"), (list, "a list"), (float, "NaN or infinity")):
        if isinstance(value, kind):
            return f"holds {name}, which is not a flat value"
    try:
        str(value).encode()
    except UnicodeEncodeError:
        return "holds a lone surrogate"
    return ""


def _as(array: Any, field: Any) -> Any:
    # Casting a struct would drop keys that the first part lacks.
    numbers = pa.types.is_integer(array.type) and pa.types.is_floating(field.type)
    if array.type == field.type:
        return array
    if numbers or pa.types.is_null(array.type):
        return array.cast(field.type)
    raise pa.ArrowTypeError(f"{field.name!r} is {array.type}, but {field.type} in the first part")


def _differs(source: Input, rows: Sequence[Row], reason: str) -> str:
    place = f"lines {rows[0].place:,} to {rows[-1].place:,}" if rows else "its lines"
    return f"{source.name}: {place} do not have one type per column ({reason}); use --format jsonl"


def _fits_json(kind: Any) -> bool:
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return _fits_json(kind.value_type)
    if pa.types.is_struct(kind):
        return all(_fits_json(kind.field(index).type) for index in range(kind.num_fields))
    return _is(kind, _OF_JSON)


def _is(kind: Any, tests: Sequence[str]) -> bool:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return any(getattr(pa.types, test)(kind) for test in tests)
