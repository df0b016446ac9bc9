"""An Azure Key Vault on loopback, for what is delivered to one.

Owns what Azure checks of a vault's secrets: the challenge, the token's audience and lifetime, who may, names, versions
and soft delete. Leaves keys, certificates and access policies alone: nothing here uses them.
"""
