"""What this library costs, measured beside its peers and beside the limit. Run ``python -m benchmarks --help``.

Not part of the package. Peers live in environments of their own, made on demand below ``.env``.
"""
