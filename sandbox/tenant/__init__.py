"""The embedded Microsoft Entra tenant: Microsoft Graph, token endpoint and cloud metadata on loopback.

Owns everything that answers in the place of Microsoft's cloud. Leaves alone who starts it (the `sandbox` command)
and who calls it (the azuread plugin, the operations): they speak to it over HTTP only, so that what works against
it works against Microsoft's.
"""
