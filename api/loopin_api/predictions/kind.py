"""What one kind of prediction is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from loopin_api.auth import Caller
from loopin_api.services import Services


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of prediction.

    Attributes:
        name: what ``kind`` says.
        description: what is answered, one sentence.
        parameters: a dependency whose parameters are those that this kind knows, and which returns them.
        answer: model of the answer; its field ``kind`` is the name.
        example: of an answer.
        predict: answers, given the services, who asks, and what ``parameters`` returned. Raises ApiError or
            StoreError.
    """

    name: str
    description: str
    parameters: Callable[..., Any]
    answer: type[BaseModel]
    example: Mapping[str, Any]
    predict: Callable[[Services, Caller, Any], Awaitable[BaseModel]]
