"""From labelled messages to a fine-tuned DistilBERT checkpoint: ``python -m spam_edge.training``.

    sources ─▶ corpus (cleaning, splits) ─┐
                                          ├─▶ fit (metrics, by_corpus, progress) ─▶ checkpoint (curves)
    base_model (minilm) ──────────────────┘

``disguises`` is what spammers do to messages, and ham that looks as if they had.

Needs the extra ``train``. The runtime never imports this package.
"""
