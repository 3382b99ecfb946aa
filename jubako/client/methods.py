"""From a call to a method of either client: the arguments and documentation of `Calls`, the driver of the client."""

import inspect
from collections.abc import Callable
from typing import Any, TypeVar, get_args

MethodT = TypeVar("MethodT", bound=Callable[..., Any])


def documented(method: MethodT, make: Callable[..., Any], owner: str, around: Any = None) -> MethodT:
    """Give a method of the class `owner` the name, documentation and signature of what makes its call.

    `around` is the generic type in which the result comes; None where it comes as it is.
    """
    signature = inspect.signature(make)
    [result] = get_args(signature.return_annotation)
    shown = signature.replace(return_annotation=around[result] if around else result)
    method.__dict__["__signature__"] = shown
    method.__name__, method.__qualname__, method.__doc__ = make.__name__, f"{owner}.{make.__name__}", make.__doc__
    return method
