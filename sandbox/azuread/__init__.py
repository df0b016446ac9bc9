"""The stand-in for the azuread plugin, which takes its place where the real one cannot be had.

It owns the plugin's side only: it speaks to the engine over gRPC and to the sandbox's tenant over HTTP, with the
requests of the real plugin, and knows nothing of how the tenant answers them.
"""
