"""The conditions under which SECURITY.md calls the open advisories of transformers 4.57 unreachable."""

import ast
import json
import re
import shutil
import tomllib
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Any

import pytest

from tests.support.imports import EDGES, FILES, ROOT, imports_in

OPEN_ADVISORIES = ("CVE-2026-4372", "CVE-2026-5241", "CVE-2026-9856")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
CONSTRAINTS = dict(
    line.split("==") for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines() if "==" in line
)
TREES = {module: ast.parse(path.read_text(encoding="utf-8")) for module, path in FILES.items()}


def calls(name: str) -> Iterator[tuple[str, str, dict[str | None, str]]]:
    """Yield module, owner and keyword arguments of each call of a method."""
    for module, tree in TREES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == name:
                keywords = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
                yield module, ast.unparse(node.func.value), keywords


def version_numbers(text: str) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"\d+", text)))


def test_security_page_lists_advisories_while_open() -> None:
    text = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    is_open = version_numbers(CONSTRAINTS["transformers"]) < (5, 10)
    assert all((name in text) == is_open for name in OPEN_ADVISORIES)


def test_remote_model_code_is_never_enabled() -> None:
    sources = "".join(path.read_text(encoding="utf-8") for path in FILES.values())
    assert "trust_remote_code" not in sources
    assert "attn_implementation=" not in sources
    assert "custom_generate" not in sources


def test_models_are_loaded_from_local_files_only() -> None:
    loads = [
        (module, owner, keywords) for module, owner, keywords in calls("from_pretrained") if owner.startswith("Auto")
    ]
    assert {owner for _, owner, _ in loads} == {"AutoModelForSequenceClassification", "AutoTokenizer"}
    assert [call for call in loads if call[2].get("local_files_only") != "True"] == []
    assert [call for call in calls("get_config_dict") if call[2].get("local_files_only") != "True"] == []


def test_export_loads_safetensors_and_never_pickle() -> None:
    [keywords] = [
        keywords
        for module, owner, keywords in calls("from_pretrained")
        if owner == "AutoModelForSequenceClassification" and module.startswith("export.")
    ]
    assert keywords["use_safetensors"] == "True"
    assert list(calls("load_state_dict"))  # with weights read by safetensors
    assert [module for module, owner, _ in calls("load") if owner in {"torch", "pickle", "joblib"}] == []
    modules = {name for path in FILES.values() for name, _ in imports_in(path.read_text(encoding="utf-8"))}
    assert not {name for name in modules if name.partition(".")[0] in {"pickle", "joblib", "dill", "cloudpickle"}}


def test_kernels_package_is_not_required_or_installed() -> None:
    wanted = [
        *PROJECT["dependencies"],
        *(name for names in PROJECT["optional-dependencies"].values() for name in names),
    ]
    assert not [name for name in wanted if re.match(r"kernels\b|transformers\[", name)]
    assert "kernels" not in CONSTRAINTS
    with pytest.raises(PackageNotFoundError):
        version("kernels")
    # transformers requires it only with extras.
    assert all("extra ==" in name for name in requires("transformers") or [] if re.match(r"kernels\b", name))


def test_onnx_is_patched_and_onnx_hub_unused() -> None:
    [wanted] = [name for name in PROJECT["optional-dependencies"]["export"] if re.match(r"onnx\b(?!-)", name)]
    assert version_numbers(wanted) >= (1, 21)
    assert version_numbers(CONSTRAINTS["onnx"]) >= (1, 21)
    assert version_numbers(version("onnx")) >= (1, 21)
    assert not [
        name for path in FILES.values() for name, _ in imports_in(path.read_text("utf-8")) if "onnx.hub" in name
    ]
    assert not [owner for _, owner, _ in calls("load") if "hub" in owner]
    assert not [edge for edge in EDGES if edge[1] == "onnx" and not edge[0].startswith("export")]


@pytest.fixture
def base(make_checkpoint: Callable[..., Path], tmp_path: Path) -> Path:
    return Path(shutil.copytree(make_checkpoint(n_layers=1), tmp_path / "base"))


def update_json(path: Path, **fields: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_bytes()) | fields), encoding="utf-8")


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"model_type": "lightglue", "trust_remote_code": True}, "unsupported type lightglue; choose a DistilBERT"),
        ({"_attn_implementation_internal": "someone/kernel"}, "has the internal field _attn_implementation_internal"),
    ],
)
def test_base_model_with_custom_code_is_refused_before_loading(
    base: Path, monkeypatch: pytest.MonkeyPatch, fields: dict[str, Any], reason: str
) -> None:
    from transformers import PretrainedConfig

    from spam_edge.errors import InputError
    from spam_edge.training.model.base_model import choose_base_model, load_config, load_model, load_tokenizer

    update_json(base / "config.json", **fields)
    monkeypatch.setattr(PretrainedConfig, "from_dict", lambda *_, **__: pytest.fail("transformers read it"))
    chosen = choose_base_model(str(base))
    for load in (load_config, lambda model: load_tokenizer(model, 32), lambda model: load_model(model, 0)):
        with pytest.raises(InputError, match=reason):
            load(chosen)


def test_chat_template_names_write_no_files(base: Path, tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    from spam_edge.training.model.base_model import choose_base_model, load_tokenizer

    templates = [{"name": "default", "template": "a"}, {"name": "../../written", "template": "foreign"}]
    update_json(base / "tokenizer_config.json", chat_template=templates)
    assert AutoTokenizer.from_pretrained(base).chat_template  # what load_tokenizer drops
    tokenizer = load_tokenizer(choose_base_model(str(base)), 32)
    tokenizer.save_pretrained(tmp_path / "deep" / "saved")
    assert not list(tmp_path.rglob("*written*"))
    assert not list(tmp_path.rglob("*.jinja"))
