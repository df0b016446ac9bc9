"""The policy pack: what no plan of this project may do in Microsoft Entra ID.

Owns the rules that the engine applies to a plan, with `--policy-pack policy`. It judges what was planned by ids, not
by names that the plan gives itself, and changes nothing. It leaves the settings' own rules alone: those help whoever
writes a stack file, these hold even where the program or the components were changed.
"""
