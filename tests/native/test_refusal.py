"""The library refuses an onnxruntime that lacks its API version. ctypes imitates such an onnxruntime."""

import ctypes

import pytest

from spam_edge.runtime.custom_operator import library
from tests.benchmarks.fresh import in_fresh_process
from tests.support.vectors import use_vectors

pytestmark = pytest.mark.fused

REASON = "SpamEncoder needs onnxruntime 1.16 or later; this is onnxruntime 1.15.1"
FAIL = 1  # of OrtErrorCode
STATUS = 0x5A5A  # address of a made-up OrtStatus, which only onnxruntime reads


_GetApi = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_uint32)
_GetVersion = ctypes.CFUNCTYPE(ctypes.c_void_p)
_CreateStatus = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_int, ctypes.c_char_p)


class _ApiBase(ctypes.Structure):
    """OrtApiBase."""

    _fields_ = (("get_api", _GetApi), ("get_version", _GetVersion))


def _register(path: str, newest: int) -> tuple[int | None, list[int], list[tuple[int, bytes]]]:
    """Register with onnxruntime 1.15.1, whose newest API version is ``newest``.

    Returns:
        The address of the status, the requested API versions, and code and message of each status created.
    """
    requested: list[int] = []
    created: list[tuple[int, bytes]] = []

    @_CreateStatus
    def create_status(code: int, message: bytes) -> int:
        created.append((code, message))
        return STATUS

    api = (ctypes.c_void_p * 255)(ctypes.cast(create_status, ctypes.c_void_p))  # all other functions are NULL

    @_GetApi
    def get_api(version: int) -> int | None:
        requested.append(version)
        return ctypes.addressof(api) if version <= newest else None

    version = ctypes.create_string_buffer(b"1.15.1")
    base = _ApiBase(get_api, _GetVersion(lambda: ctypes.addressof(version)))
    register = ctypes.CDLL(path).RegisterCustomOps
    register.restype = ctypes.c_void_p
    return register(None, ctypes.byref(base)), requested, created


def _register_with(vectors: str, newest: int) -> tuple[int | None, list[int], list[tuple[int, bytes]]]:
    with use_vectors(vectors):
        path = str(library())
    return in_fresh_process(_register, path, newest)  # a crash ends only that process


def test_unsupported_onnxruntime_gets_status_naming_both_versions(vectors: str) -> None:
    assert _register_with(vectors, 15) == (STATUS, [16, 1], [(FAIL, REASON.encode())])


def test_onnxruntime_without_api_gets_reason_on_stderr(vectors: str, capfd: pytest.CaptureFixture[str]) -> None:
    """Without an API no status can be created."""
    assert _register_with(vectors, 0) == (None, [16, 1], [])
    assert capfd.readouterr() == ("", f"{REASON}\n")
