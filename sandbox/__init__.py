"""All that is needed to run the stack with no Azure at hand.

Owns an engine, a tenant and a plugin; nothing outside this package imports it, so a stack on a real tenant never meets
it.
"""
