"""From labelled messages to a fine-tuned DistilBERT checkpoint: ``python -m spam_edge.training``.

    sources ─▶ corpus (near_duplicates, splits) ─┐
                                                 ├─▶ fit (metrics, progress) ─▶ checkpoint (curves)
    base_model (minilm) ─────────────────────────┘

``disguises`` is what spammers do to messages, and ham that looks as if they had.

Needs the extra ``train``. The runtime never imports this package.
"""
