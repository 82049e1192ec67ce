"""Fine-tune a DistilBERT on labelled messages and write a checkpoint: ``python -m spam_edge.training``.

    data (sources, cleaning, splits) ─┐
                                      ├─▶ fit (model, metrics) ─▶ checkpoint
    model (base_model) ───────────────┘

``attacks`` holds the obfuscation attacks of spammers and the ham controls for them.

Requires the extra ``train``. The runtime never imports this package.
"""
