"""Rows of text formats as Arrow tables, and which conversions lose nothing."""

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from spam_edge.batch.blocks import Row
from spam_edge.batch.inputs import Input
from spam_edge.errors import InputError, JobError
from spam_edge.rows import json_value

_FLAT = ("is_boolean", "is_integer", "is_floating", "is_string", "is_large_string", "is_temporal", "is_decimal")
_OF_JSON = ("is_boolean", "is_integer", "is_floating", "is_string", "is_large_string", "is_null")


def check_conversion(source: Input, names: Sequence[str], schema: Any, output_format: str) -> None:
    """Find out before anything is classified whether an input can be written in a format.

    Raises:
        JobError: something would be lost.
    """
    kind = output_format.split(".", maxsplit=1)[0]
    if source.kind == "jsonl" and kind in ("csv", "tsv"):
        raise JobError(f"{source.name}: JSON values do not fit into {kind}; use --format jsonl or parquet")
    if kind == "jsonl" and source.kind != "jsonl" and len(set(names)) < len(names):
        raise JobError(
            f"{source.name}: two columns have one name, which JSON does not allow; use --format csv or parquet"
        )
    if source.kind == "parquet" and kind != "parquet":
        for field in schema:
            if not (_fits_json(field.type) if kind == "jsonl" else _is(field.type, _FLAT)):
                raise JobError(
                    f"{source.name}: column {field.name!r} ({field.type}) does not fit into {kind}; "
                    "use --format parquet"
                )


def text_batch(rows: Sequence[Row], names: Sequence[str]) -> Any:
    """Return the records of CSV or TSV as a record batch of strings; null where a record could not be read."""
    unknown = [None] * len(names)
    records = [row.cells if isinstance(row.cells, list) else unknown for row in rows]
    arrays = [pa.array([record[index] for record in records], type=pa.string()) for index in range(len(names))]
    return pa.RecordBatch.from_arrays(arrays, names=list(names))


def json_batch(rows: Sequence[Row], source: Input, schema: Any) -> Any:
    """Return the objects of JSON Lines as a record batch; of the given schema, where there is one already.

    Raises:
        InputError: values of a column do not have one type, or not that of the schema.
    """
    objects = [json_value(row.cells) if isinstance(row.cells, str) else {} for row in rows]
    keys = list(dict.fromkeys(key for value in objects for key in value))
    names = keys if schema is None else schema.names
    try:
        if new := [key for key in keys if key not in names]:
            raise pa.ArrowInvalid(f"key {new[0]!r} is not among those of the first part")
        arrays = [pa.array([value.get(name) for value in objects]) for name in names]
        if schema is not None:
            arrays = [_as(array, schema.field(name)) for name, array in zip(names, arrays, strict=True)]
    except (pa.ArrowException, UnicodeEncodeError, OverflowError) as error:
        raise InputError(_differs(source, rows, str(error).splitlines()[0])) from error
    return pa.RecordBatch.from_arrays(arrays, names=names)


def _as(array: Any, field: Any) -> Any:
    # A struct that were cast would lose the keys that are new.
    numbers = pa.types.is_integer(array.type) and pa.types.is_floating(field.type)
    if array.type == field.type:
        return array
    if numbers or pa.types.is_null(array.type):
        return array.cast(field.type)
    raise pa.ArrowTypeError(f"{field.name!r} is {array.type} where the first part has {field.type}")


def _differs(source: Input, rows: Sequence[Row], reason: str) -> str:
    place = f"lines {rows[0].place:,} to {rows[-1].place:,}" if rows else "its lines"
    return f"{source.name}: {place} do not make a table with one type per column ({reason}); use --format jsonl"


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
