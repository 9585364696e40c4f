"""Forced sales: plan, approve, execute, settle.

The plan is arithmetic (`planner`, over `lots`, `search`, `sizing`, `fees` and `ticks`): values in, values
out, the same plan for the same inputs. Everything that touches the books or a venue stands beside it.
"""
