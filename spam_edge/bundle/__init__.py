"""Model bundles: lookup, manifest, checksums, golden messages and validation scores."""
