"""The functions that the assistant calls: one module each, and the registry that turns them into cards.

Nothing here knows of MQTT: `workers.functions` hosts what is registered.
"""

from functions.registry import Context, Function, FunctionError, FunctionResult, Notification, function

__all__ = ["Context", "Function", "FunctionError", "FunctionResult", "Notification", "function"]
