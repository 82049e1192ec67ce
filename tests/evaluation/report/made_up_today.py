"""The second track of the made-up evaluation. None of its figures was measured."""

from typing import Any

from spam_edge.decision.intervals import clopper_pearson

MODES = ("balanced", "low-false-positive", "high-recall")
KINDS = {
    "HAM": ("bank", "code", "personal", "card", "government", "wallet", "loan-notice", "work", "booking", "telecom"),
    "SPAM": ("gambling", "bank-fraud", "parcel", "code-theft", "prize", "toll", "wrong-number", "crypto"),
}
MEASURES = ("f1", "pr_auc", "mcc", "accuracy", "precision", "recall_at_fpr_0.1pct", "recall_at_fpr_0.5pct")


def counted(hits: int, n: int) -> dict[str, float | int]:
    low, high = clopper_pearson(hits, n)
    return {"value": hits / n, "low": low, "high": high, "n": n}


def modes(wrong: int, n_ham: int, missed: int, n_spam: int) -> dict[str, Any]:
    """Return figures of three modes, each with one false positive less and one miss more than the one before."""
    return {
        mode: {
            "false_positive_rate": counted(wrong + 2 - place, n_ham) if n_ham else None,
            "recall": counted(n_spam - missed - place, n_spam) if n_spam else None,
        }
        for place, mode in enumerate(MODES)
    }


def kinds() -> list[dict[str, Any]]:
    found = []
    for label, names in KINDS.items():
        for place, kind in enumerate(names):
            n = 230 - 25 * place
            hits = place % 3 if label == "HAM" else n - place
            rates = {mode: counted(hits, n) for mode in MODES}
            found.append({"kind": kind, "label": label, "modes": rates, "baseline": counted(n // 3, n)})
    return found


def a_file(name: str, kind: str, *, ham: tuple[int, int] = (0, 0), spam: tuple[int, int] = (0, 0)) -> dict[str, Any]:
    (wrong, n_ham), (missed, n_spam) = ham, spam
    figures = {"name": name, "kind": kind, "n_ham": n_ham, "n_spam": n_spam}
    ranking = {"f1": 0.93, "mcc": 0.92, "pr_auc": 0.981, "recall_at_fpr_0.5pct": 0.9} if n_ham and n_spam else {}
    return figures | {"modes": modes(wrong, n_ham, missed, n_spam)} | ranking


def made_up_today() -> dict[str, Any]:
    """Return a second track with every key."""
    systems = {"spam_edge": ("spam-edge, int8 as shipped", 0.98), "char_svm": ("char SVM", 0.93)}
    return {
        "notices": {
            "systems": {
                name: {
                    "title": title,
                    "by_cluster": {
                        "n": 3000, "n_ham": 1800, "n_spam": 1200,
                        **{key: {"value": value, "low": value - 0.01, "high": value + 0.01, "n": 3000}
                           for key in MEASURES},
                        "false_positive_rate": counted(round(1800 * (1 - value) / 2), 1800),
                        "recall": counted(round(1200 * value), 1200),
                    },
                }
                for name, (title, value) in systems.items()
            },
            "calibration": {
                key: {"value": 0.0062, "low": 0.004, "high": 0.009, "n": 3000} for key in ("ece", "brier", "nll")
            },
            "modes": {
                mode: each | {"precision": counted(1170, 1188)} for mode, each in modes(16, 1800, 24, 1200).items()
            },
            "kinds": kinds(),
            "evasion": [
                {
                    "attack": attack, "title": title, "level": "medium", "target": "keywords",
                    "recall": counted(hits, 190), "clean_recall": 186 / 190, "clean_low": 0.947,
                    "baseline": counted(90, 190), "seen_in_training": attack != "E7", "changed": 190,
                }
                for attack, title, hits in (("E1", "homoglyphs", 186), ("E7", "spaced letters", 161))
            ],
            "errors": [
                {"text": f"a made-up code, {place}", "kind": "code", "label": "HAM", "score": 0.9, "threshold": 0.5,
                 "verdict": "unread", "note": ""}
                for place in range(3)
            ],
        },
        "marketing": {"modes": modes(70, 120, 0, 0), "baseline": counted(60, 120)},
        "controls": [
            {
                "id": f"N{number}",
                "title": title,
                "false_positive_rate": {"value": 0.002 * number, "low": 0.0, "high": 0.002 * number + 0.01, "n": 300},
                "baseline": None if number == 2 else {"value": 0.01, "low": 0.004, "high": 0.02, "n": 300},
            }
            for number, title in enumerate(("emoji", "accented names", "chat in other scripts"), start=1)
        ],
        "files": [
            a_file("bank alerts", "notices", ham=(3, 274)),
            a_file("another | file", "both", ham=(9, 900), spam=(87, 300)),
            a_file("spam alone", "spam", spam=(50, 1000)),
            a_file("shop", "marketing", ham=(40, 60)),
        ],
        "means": {
            "notices": {"files": 1, "modes": dict.fromkeys(MODES, 0.0109)},
            "spam": {"files": 1, "modes": dict.fromkeys(MODES, 0.949)},
        },
    }  # fmt: skip
