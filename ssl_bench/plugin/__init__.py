"""What a plugin is made of: descriptors, contracts, the bases of its targets, and the registry of what is installed.

Hands on registered components to every stage; the public API, with ``ssl_bench`` and ``ssl_bench.testing``.
"""
