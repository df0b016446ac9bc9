"""What people and pipelines do around `pulumi up`: rotate, retire, verify, expiry, the agent's settings.

Owns the command line `python -m operations`. It changes the stack's file, files of the agent and, only where it says
so, secrets that no stack knows or those in a Key Vault. It declares no resource: that is the stack's part, so that
every change to the registration remains a reviewed plan.
"""
